"""Cells for spreadsheets that do nothing when they are opened."""

from __future__ import annotations

import json
import re
from typing import Any

NUMBER = re.compile(r"[-+]?[0-9.,]+([eE][-+]?[0-9]+)?")
# Programs look past blanks and marks without width, take wide signs for narrow ones, and a line break for a new cell.
# An apostrophe may be ours already: one more is put before it, so that an import finds it again.
BLANK = r"\s\u200b-\u200f\u2060\ufeff"
FORMULA = re.compile(rf"\A'*(?:[{BLANK}]*[=+\-@＝＋－＠]|[\t\r\n])")


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may run a cell with this text as a formula (OWASP, CSV injection)."""
    return FORMULA.match(text) is not None


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
