"""Where a table's header is, whether it has one, and what its columns are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from services.assets.importing.encodings import HEADINGS
from services.assets.importing.model import Unusable
from services.assets.importing.words import NOTHING, PLACES, plain

LONGEST_HEADING = 100
MOST_COLUMNS = 2_000
DATA = re.compile(
    r"\A(?:[-+(\[]?\s*\d[\d\s.,:/()°'\"+-]*[a-zA-Z%°]?\]?|"
    r"(SRID=\d+;\s*)?(POINT|LINESTRING|POLYGON|MULTI\w+)\s*+(?:Z\s*+)?\(.*|\{.*)"
)
KNOWN = HEADINGS | {plain(name) for name in PLACES}


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
    return "".join(each for each in text if each.isprintable())[:LONGEST_HEADING].strip("\ufeff ")
