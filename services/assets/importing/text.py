"""CSV in all its forms: encoding, delimiter and header are found out, and rows are streamed."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from services.assets.domain.columns import are_noted, are_ours
from services.assets.domain.imports import text_encoding
from services.assets.importing.encodings import encoding_of
from services.assets.importing.headings import find_header, named, units_above
from services.assets.importing.model import Options, Record, Understood, Unusable
from shared.lists.cells import armed

SAMPLE_ROWS = 200
LONGEST_CELL = 4 << 20
LONGEST_LINE = 16 << 20  # characters
MOST_SLIPPED = 100  # cells of a row beyond its columns that are shown
DELIMITERS = "\t;|,"  # the rarer in prose, the more it says
SPOILT = "\ufffd"
WRAPPED = re.compile(r'\A="((?:[^"]|"")*+)"\Z')  # a formula, so that a spreadsheet leaves the text as it is
WRAPS = re.compile(r'(?:\A|[\t;,|])\s*+"?="')
UNWRAPPED = ["spreadsheet-text", 'Cells written as formulas that are a text, ="0071", are read as that text.']
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def describe(path: Path, options: Options) -> dict[str, Any]:
    """What is to be known before the rows can be read. Raises Unusable."""
    encoding = _known(options.encoding) if options.encoding else encoding_of(path)
    with _opened(path, encoding) as file:
        start = file.read(1 << 18)
    if not start.strip():
        raise Unusable("The file is empty.")
    delimiter = options.delimiter or _delimiter_of(start)
    if not (rows := _sample(start, delimiter)):
        raise Unusable("The file has no rows.")
    header_line, header = find_header([cells for _, cells in rows], options.header)
    columns = named(rows[header_line - 1][1] if header else [], _usual_width(rows))
    count, wraps = _count(path, encoding, delimiter)
    return {
        "format": "tsv" if delimiter == "\t" else "csv",
        "encoding": encoding,
        "delimiter": delimiter,
        "header": header,
        "header_line": rows[header_line - 1][0] if header else 0,
        "columns": columns,
        "notes": units_above(cells for _, cells in rows[: header_line - 1]) if header else [],
        "rows_total": max(0, count - header_line),
        "repairs": [UNWRAPPED] if wraps else [],
    }


def _usual_width(rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    return Counter(len(cells) for _, cells in rows).most_common(1)[0][0]


def _known(encoding: str) -> str:
    if (known := text_encoding(encoding)) is None:
        raise Unusable(f"There is no text encoding {encoding[:40]!r}.")
    return known


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    return path.open(encoding=encoding, errors="replace", newline="")


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), 1):
        if len(line) == LONGEST_LINE:
            raise Unusable(f"The line has over {LONGEST_LINE:,} characters.", number)
        yield line


def _delimiter_of(text: str) -> str:
    """The delimiter by which most rows have as many cells as the first one that has several."""
    scores = {each: _consistency(text, each) for each in DELIMITERS}
    return max(scores, key=lambda each: scores[each]) if any(scores.values()) else ","


def _consistency(text: str, delimiter: str) -> float:
    counts = Counter(len(cells) for _, cells in _sample(text, delimiter))
    several = {width: many for width, many in counts.items() if width > 1}
    return max(several.values(), default=0) / max(1, counts.total())


def _sample(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of the first rows; the last line may be cut and is left out when there are others."""
    whole = text if len(text) < 1 << 18 else text[: text.rfind("\n") + 1] or text
    return list(islice(_cells(io.StringIO(whole, newline=""), delimiter), SAMPLE_ROWS))


def _cells(file: Any, delimiter: str, *, exact: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that holds anything; ``line`` is where it begins. ``exact``: blanks belong to cells."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=not exact)
    begins = 1
    try:
        for cells in reader:
            if cells and any(cells):
                yield begins, _unwrapped(cells)
            begins = reader.line_num + 1
    except csv.Error as wrong:
        raise Unusable(f"The table breaks off here ({wrong}): perhaps a quote is never closed.", begins) from wrong


def _unwrapped(cells: list[str]) -> list[str]:
    return [WRAPPED.sub(_bare, each) for each in cells] if '="' in "".join(cells) else cells


def _bare(found: re.Match[str]) -> str:
    return found[1].replace('""', '"')


def _count(path: Path, encoding: str, delimiter: str) -> tuple[int, bool]:
    """How many rows there are, and whether any cell is written as a formula that is a text.

    Raises Unusable when a quote swallows the rest of the file, which csv lets pass.
    """
    read = quotes = count = 0
    wraps = False

    def lines(file: io.TextIOWrapper) -> Iterator[str]:
        nonlocal read, quotes, wraps
        for line in _lines(file):
            wraps = wraps or ('="' in line and WRAPS.search(line) is not None)
            read, quotes = read + 1, quotes + line.count('"')
            yield line

    begins = ends = before = within = 0
    with _opened(path, encoding) as file:
        for begins, _ in _cells(lines(file), delimiter):  # noqa: B007
            count, ends, within, before = count + 1, read, quotes - before, quotes
    if ends > begins and within % 2:
        raise Unusable("A quote is opened here and never closed.", begins)
    return count, wraps


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The rows, with what is wrong with their shape as a table."""
    columns, width, noted = understood.columns, len(understood.columns), are_noted(understood.columns)
    with _opened(path, understood.encoding or "utf-8") as file:
        for line, cells in _cells(_readable(file), understood.delimiter or ",", exact=are_ours(columns)):
            if line <= understood.header_line:
                continue
            cells = [*map(armed, cells)] if noted else cells
            if len(cells) == width:
                yield Record(line, dict(zip(columns, cells, strict=True)))
            else:
                yield _ragged(line, cells, columns)


def _readable(file: io.TextIOWrapper) -> Iterator[str]:
    """Lines without control characters, which no database takes; they are marked as spoilt."""
    for line in _lines(file):
        yield line if line.isprintable() or not CONTROL.search(line) else CONTROL.sub(SPOILT, line)


def _ragged(line: int, cells: Sequence[str], columns: Sequence[str]) -> Record:
    """Missing cells at the end are empty ones; more cells than columns mean that the row has slipped."""
    raw: dict[str, Any] = dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
    more = cells[len(columns) :]
    if not any(cell.strip() for cell in more):
        return Record(line, raw)
    raw["…"] = list(more[:MOST_SLIPPED])
    return Record(line, raw, fault=("ragged-row", f"The row has {len(cells)} cells for {len(columns)} columns."))
