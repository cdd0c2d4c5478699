"""Cells for spreadsheets that do nothing when they are opened."""

from __future__ import annotations

import json
import re
from typing import Any
from unicodedata import category, normalize

NUMBER = re.compile(r"[-+]?[0-9.,]+([eE][-+]?[0-9]+)?")
# Programs look past blanks and marks without width, take wide and small signs for the usual ones, and a line break
# for a new cell. An apostrophe may be ours already: one more is put before it, so that an import finds it again.
UNSEEN = {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}  # by Unicode's general categories: not seen, or part of another
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"  # of Hangul and Braille: letters and signs by category, and blank
SIGNS = tuple("=+-@")
NEW_CELL = tuple("\t\r\n")


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may run a cell with this text as a formula (OWASP, CSV injection)."""
    text = text.lstrip("'")
    first = next((each for each in text if not _unseen(each)), "")
    return text.startswith(NEW_CELL) or normalize("NFKC", first).startswith(SIGNS)


def _unseen(sign: str) -> bool:
    return category(sign) in UNSEEN or sign in FILLERS


def defused(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and looks_like_formula(value) else value


def armed(text: str) -> str:
    """The text as it was before ``defused``."""
    return text[1:] if text.startswith("'") and looks_like_formula(text[1:]) else text


def harmless(value: Any) -> Any:
    """A cell's value, also of lists and objects; a text that is a number stays one."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) and NUMBER.fullmatch(value) else defused(value)
