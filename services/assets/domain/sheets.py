"""Cells for spreadsheets that do nothing when they are opened."""

from __future__ import annotations

import json
import re
from typing import Any

NUMBER = re.compile(r"[-+]?[0-9.,]+([eE][-+]?[0-9]+)?")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: Any) -> Any:
    """A cell's value; text that a spreadsheet would take for a formula is led by an apostrophe (OWASP)."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(DANGEROUS) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value
