"""XLSX, one sheet at a time, with the values that formulas had when the workbook was saved."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.reader import excel
from openpyxl.styles.numbers import BUILTIN_FORMATS_MAX_SIZE
from openpyxl.utils import column_index_from_string
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from services.assets.importing import archives
from services.assets.importing.headings import find_header, named, units_above
from services.assets.importing.model import Options, Record, Understood, Unusable
from services.assets.importing.number_formats import Misleading, as_shown, makes_codes, misleading

SAMPLE_ROWS = 200
MOST_COLUMNS = 1_000
SHEETS = "xl/worksheets/"
LAST_ROW = 1_048_576  # Excel's own limit
LARGEST_TEXTS = 96 << 20  # openpyxl keeps all texts of a workbook in memory
MOST_MERGED = 200_000
LONGEST_TAG = 100
MERGED = re.compile(rb"""<(?:\w{1,9}:)?mergeCell\s[^>]{0,40}?ref=["']([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})["']""")
MOST_EMPTY = 20_000  # rows in a row, after which nothing more is expected
ESCAPED = re.compile(r"_x(0009|000[aAdD]|005[fF])_")  # characters that XML would lose, and what only looks so


class _Sheet(ReadOnlyWorksheet):
    """A sheet whose size is not looked up: without a note of it, openpyxl would read all rows into memory for that.

    Numbers that are shown as codes are read as they are shown: 71200 in a cell of the format 0000000 is 0071200.
    """

    def _get_size(self) -> None:
        return None

    @cached_property
    def _code_formats(self) -> dict[int, str]:
        """Style of cells → their format, of those that make codes of numbers."""
        book: Any = self.parent
        found: dict[int, str] = {}
        for style, each in enumerate(book._cell_styles):
            number = each.numFmtId - BUILTIN_FORMATS_MAX_SIZE
            if 0 <= number < len(book._number_formats) and makes_codes(book._number_formats[number]):
                found[style] = book._number_formats[number]
        return found

    def _get_row(self, row: Any, *args: Any, **kwargs: Any) -> Any:
        if formats := self._code_formats:
            for cell in row:
                if cell["style_id"] in formats and cell["data_type"] == "n":
                    cell["value"] = as_shown(cell["value"], formats[cell["style_id"]])
        return super()._get_row(row, *args, **kwargs)  # type: ignore[misc]


excel.ReadOnlyWorksheet = _Sheet  # type: ignore[attr-defined]


def describe(path: Path, options: Options) -> dict[str, Any]:
    """What is to be known before the rows can be read. Raises Unusable."""
    with _workbook(path) as book:
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        samples = {title: list(islice(_rows(sheet), SAMPLE_ROWS)) for title, sheet in sheets.items()}
        layer = options.layer or next((title for title, sample in samples.items() if len(sample) > 1), None)
        if layer is not None and layer not in sheets:
            raise Unusable(f"There is no sheet {layer!r}; there are {', '.join(map(repr, sheets))}.")
        if layer is None or not samples[layer]:
            raise Unusable(_why_empty(path))
        table, about = _table(samples[layer], options), _about(layer, sheets)
        merged = _merged(sheets[layer], table["header_line"], len(table["columns"]))
        return {**table, **about, "notes": about["notes"] + table["notes"] + _of_merged(merged, table["columns"])}


def _about(layer: str, sheets: dict[str, Any]) -> dict[str, Any]:
    others = [title for title in sheets if title != layer]
    notes = [f"Read was the sheet {layer!r}; there are also {', '.join(map(repr, others))}."] if others else []
    return {"format": "xlsx", "layer": layer, "layers": [*sheets], "notes": notes}


def _table(sample: list[tuple[int, Sequence[Any]]], options: Options) -> dict[str, Any]:
    texts = [["" if cell is None else str(cell) for cell in cells] for _, cells in sample]
    at, header = find_header(texts, options.header)
    width = min(MOST_COLUMNS, max(len(cells) for _, cells in sample))
    return {
        "header": header,
        "header_line": sample[at - 1][0] if at else 0,
        "columns": named(texts[at - 1][:width] if header else [], width),
        "notes": units_above(texts[: at - 1]) if header else [],
    }


def _merged(sheet: Any, header_line: int, width: int) -> dict[int, list[tuple[int, int]]]:
    """Column → (first row, last row) of the cells below the heading that are merged over rows, in order.

    They stand behind all rows of a sheet, so that it is looked through for them first.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for letters, first, last in islice(_merges(sheet), MOST_MERGED):
        column = column_index_from_string(letters) - 1
        if header_line < first < last and column < width:
            found.setdefault(column, []).append((first, last))
    return {column: sorted(blocks) for column, blocks in sorted(found.items())}


def _merges(sheet: Any) -> Iterator[tuple[str, int, int]]:
    """(letters of the first column, first row, last row) of all merged cells. Raises Unusable."""
    rest = b""
    try:
        with sheet._get_source() as source:
            while part := source.read(1 << 20):
                text, end = rest + part, 0
                for each in MERGED.finditer(text):
                    end = each.end()
                    yield each[1].decode(), int(each[2]), int(each[3])
                rest = text[max(end, len(text) - LONGEST_TAG) :]
    except (OSError, EOFError, BadZipFile, zlib.error) as wrong:
        raise Unusable(f"The workbook is damaged: {str(wrong)[:200]}") from wrong


def _of_merged(merged: Mapping[int, Any], columns: Sequence[str]) -> list[str]:
    names = ", ".join(repr(columns[each]) for each in merged)
    note = f"Cells are merged over rows in {names}: a text or day counts for each of the rows, a number for the first."
    return [note] if merged else []


def _filled(
    rows: Iterable[tuple[int, Sequence[Any]]], merged: Mapping[int, Sequence[tuple[int, int]]]
) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows with the texts of merged cells in each; a merged number may be the sum of its rows."""
    ahead = {column: iter(blocks) for column, blocks in merged.items()}
    block = {column: next(blocks) for column, blocks in ahead.items()}
    held: dict[int, Any] = {}
    for line, cells in rows:
        full = [*cells, *[None] * (max(merged) + 1 - len(cells))] if merged else cells
        for column in merged:
            while block[column][1] < line and (later := next(ahead[column], None)):
                block[column], held[column] = later, None
            first, last = block[column]
            if line == first:
                held[column] = full[column]
            elif first < line <= last and full[column] is None and isinstance(held.get(column), str):
                full = [*full[:column], held[column], *full[column + 1 :]]
        yield line, full


def _why_empty(path: Path) -> str:
    with _workbook(path, formulas=True) as book:
        if any(next(_rows(sheet), None) for sheet in book.worksheets):
            return "The cells hold formulas without values: open the workbook in a spreadsheet program and save it."
    return "The workbook is empty."


@contextmanager
def _workbook(path: Path, formulas: bool = False) -> Iterator[Any]:
    """The workbook, open for streaming. Raises Unusable, whatever it was that openpyxl stumbled over."""
    with archives.opened(path) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
    if any(size > LARGEST_TEXTS for name, size in sizes.items() if not name.startswith(SHEETS)):
        raise Unusable("The workbook holds too much text to be read at once; save the sheet as CSV.")
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        try:
            book = load_workbook(file, read_only=True, data_only=not formulas)
        except MemoryError:
            raise
        except Exception as wrong:  # openpyxl lets through whatever broken XML and zips bring about
            raise Unusable(f"The workbook is damaged: {str(wrong)[:200]}") from wrong
        try:
            yield book
        finally:
            book.close()


def _rows(sheet: Any, width: int | None = None) -> Iterator[tuple[int, Sequence[Any]]]:
    """(row number, cells) of rows that hold anything, without the empty cells at their ends. Raises Unusable."""
    sheet.reset_dimensions()  # many writers leave them wrong
    empty, line = 0, 0
    try:
        for line, cells in enumerate(sheet.iter_rows(max_row=LAST_ROW, max_col=width, values_only=True), 1):
            if any(cell is not None for cell in cells):
                empty = 0
                yield line, _trimmed(cells)
            elif (empty := empty + 1) >= MOST_EMPTY:
                return
    except (Unusable, MemoryError):
        raise
    except Exception as wrong:  # as above: broken XML shows only when it is reached
        raise Unusable(f"The workbook is damaged: {str(wrong)[:200]}", line) from wrong


def _trimmed(cells: Sequence[Any]) -> list[Any]:
    last = max(at for at, cell in enumerate(cells) if cell is not None)
    return [_value(cell) for cell in cells[: last + 1]]


def _value(cell: Any) -> Any:
    """A cell as JSON has it: days and times as text."""
    if isinstance(cell, datetime):
        return misleading(cell.date().isoformat() if cell.time() == time() else cell.isoformat())
    if isinstance(cell, str):
        return ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell) if "_x" in cell else cell
    return misleading(str(cell)) if isinstance(cell, date | time | timedelta) else cell


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The rows of the sheet."""
    columns = understood.columns
    with _workbook(path) as book:
        sheet = book[understood.layer]
        merged = _merged(sheet, understood.header_line, len(columns))
        for line, cells in _filled(_rows(sheet, len(columns)), merged):
            if line > understood.header_line:
                yield _record(line, columns, [*cells, *[None] * (len(columns) - len(cells))])


def _record(line: int, columns: Sequence[str], cells: Sequence[Any]) -> Record:
    masked = {column: cell for column, cell in zip(columns, cells, strict=True) if isinstance(cell, Misleading)}
    raw = dict(zip(columns, cells, strict=True))
    return Record(line, raw | {column: cell.exact(cell) for column, cell in masked.items()}, masked=frozenset(masked))
