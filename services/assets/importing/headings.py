"""Where a table's header is, whether it has one, and what its columns are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.assets.importing.encodings import HEADINGS
from services.assets.importing.model import Unusable
from services.assets.importing.units import read_unit
from services.assets.importing.words import NOTHING, PLACES, plain
from shared.lists.spelling import spelt

LONGEST_HEADING = 100
MOST_COLUMNS = 2_000
DATA = re.compile(
    r"\A(?:[-+(\[]?\s*\d[\d\s.,:/()°'\"+-]*[a-zA-Z%°]?\]?|"
    r"(SRID=\d+;\s*)?(POINT|LINESTRING|POLYGON|MULTI\w+)\s*+(?:Z\s*+)?\(.*|\{\s*+[\"'].*)"
)
SURELY_DATA = re.compile(
    r"\d{1,4}(?:[-/.]|年)\d{1,2}(?:[-/.]|月)\d{1,4}日?(?:[T ].*)?|[-+]?\d+[.,]\d+|[-+]?\d{5,}|\d{1,2}:\d\d(?::\d\d)?|"
    r"(?:SRID=\d+;\s*+)?(?:POINT|LINESTRING|POLYGON|MULTI\w++)\s*+(?:Z\s*+)?\(.*|\{\s*+[\"'].*",
    re.DOTALL,
)
NUMBERED = re.compile(r"column \d+")
UNIT_ABOVE = re.compile(r"(?:单位|單位|単位|단위|units?)\s{0,3}[:：=]\s{0,3}([^\s()（）]{1,40})", re.IGNORECASE)
KNOWN = HEADINGS | {plain(name) for name in PLACES}


def data_among(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of columns that are data, where there are too many to be names; else none.

    A name is data that is a date, a fraction, a long number or a geometry, or that all its values repeat. Years and
    small numbers are names, unless most are such.
    """
    given = [each for each in names if not NUMBERED.fullmatch(each)]
    surely = [each for each in given if SURELY_DATA.fullmatch(each.strip())]
    repeated = [each for each in given if _is_repeated(each, rows)]
    likely = [each for each in given if each in {*surely, *repeated} or looks_like_data(each)]
    return likely if surely or len(repeated) > 1 or (likely and len(likely) * 2 > len(given)) else []


def _is_repeated(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = (row.get(name) for row in rows)
    told = [plain(str(each)) for each in values if each not in (None, "")]
    return bool(told) and {*told} == {plain(name)}


def looks_like_data(cell: str) -> bool:
    """Whether a cell is a number, a date, coordinates or a geometry rather than a name."""
    return DATA.fullmatch(cell.strip()) is not None


def find_header(rows: Sequence[Sequence[str]], wanted: bool | None) -> tuple[int, bool]:
    """(how many rows stand before the data, whether the last of them is a header).

    Rows far narrower than most are titles above the table.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    usual = Counter(filled).most_common(1)[0][0]
    first = next((at for at, count in enumerate(filled) if count * 2 > usual), 0)
    is_header = _is_header(rows[first]) if wanted is None else wanted
    return first + is_header, is_header


def units_above(titles: Iterable[Sequence[str]]) -> list[str]:
    """A note on the units that titles above the headings name (单位：万㎡): nobody knows which columns they mean."""
    said = [found[0] for cells in titles for cell in cells for found in UNIT_ABOVE.finditer(cell) if _names_unit(found)]
    told = (
        f"Above the table stands {said[0]!r}: numbers whose own heading names no unit are not turned." if said else ""
    )
    return [told] if told else []


def _names_unit(found: re.Match[str]) -> bool:
    return any(map(read_unit, [found[1], *re.split("[,，;；、/]", found[1])]))


def _is_header(row: Sequence[str]) -> bool:
    cells = [cell for cell in row if cell.strip().casefold() not in NOTHING]
    data = sum(map(looks_like_data, cells))
    known = any(plain(cell) in KNOWN for cell in cells)
    return bool(cells) and data * (2 if known else 4) < len(cells)


def named(header: Iterable[object], width: int) -> list[str]:
    """Names of all columns: those of the header, made unique, and ``column 3`` where there is none. Raises Unusable."""
    given = [_tidy(each) for each in header]
    if max(len(given), width) > MOST_COLUMNS:
        raise Unusable(f"The table has {max(len(given), width):,} columns; there can be {MOST_COLUMNS:,}.")
    given += [""] * (width - len(given))
    names: list[str] = []
    for at, name in enumerate(given, 1):
        name = name or f"column {at}"
        again = sum(name == other or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _tidy(name: object) -> str:
    text = "" if name is None else " ".join(str(name).split())
    return spelt("".join(each for each in text if each.isprintable()))[:LONGEST_HEADING].strip("\ufeff ")
