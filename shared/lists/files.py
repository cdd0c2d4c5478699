"""Lists as tables: CSV, and XLSX whose times are times, with a heading that stays in sight and filters."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Any, BinaryIO

from shared.errors import Invalid
from shared.lists.cells import defused

LONGEST_SHEET = 1_048_575  # rows below the heading
LONGEST_CELL = 32_767  # characters that a cell of XLSX holds
FIRST_DAY = date(1900, 3, 1)  # spreadsheets disagree about days before it
ODD = re.compile("\r|\ufffe|\uffff|_(?=x[0-9A-Fa-f]{4}_)")  # a line break XML changes, two it cannot hold, an escape
BOM = b"\xef\xbb\xbf"  # Excel then reads the file as UTF-8

Rows = Iterable[Sequence[Any]]
"""Of cells: texts, numbers, dates, times of some zone, truths, None."""


class TooManyRows(Invalid):
    """More rows than this format takes."""

    slug = "too-many-rows"
    zh = "行数超出该格式上限"


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


MEDIA = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def local(value: Any, zone: tzinfo) -> Any:
    """A time as the city's clocks show it; anything else as it is."""
    return value.astimezone(zone) if isinstance(value, datetime) else value


@dataclass(frozen=True)
class Words:
    """How a table is told to people: what its columns are called, and its values by column; what is unknown stays."""

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)

    def heading(self, names: Iterable[str]) -> list[str]:
        return [self.columns.get(name, name) for name in names]

    def told(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return self.values.get("", {}).get(value, value)
        return self.values.get(name, {}).get(value, value) if isinstance(value, str) else value


YES_NO_ZH: dict[str, dict[Any, str]] = {"": {True: "是", False: "否"}}  # of every column


def chinese_names(catalogue: Mapping[str, Any]) -> dict[str, dict[Any, str]]:
    """What categories and kinds are called in Chinese, by "category" and "kind", then by slug."""
    listed = {"category": catalogue.get("categories", {}), "kind": catalogue.get("kinds", {})}
    return {name: {slug: each["zh"] for slug, each in of.items() if each.get("zh")} for name, of in listed.items()}


def write(chosen: Format, title: str, heading: Sequence[str], rows: Rows, file: BinaryIO) -> None:
    if chosen is Format.XLSX:
        write_xlsx(title, heading, rows, file)
    else:
        write_csv(heading, rows, file)


def write_csv(heading: Sequence[str], rows: Rows, file: BinaryIO) -> None:
    """Times in ISO 8601 with their offset."""
    file.write(BOM)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    table = csv.writer(text)
    table.writerow(heading)
    table.writerows([_in_csv(cell) for cell in row] for row in rows)
    text.flush()
    text.detach()


def _in_csv(cell: Any) -> Any:
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell.isoformat() if isinstance(cell, date) else defused(cell)


def write_xlsx(title: str, heading: Sequence[str], rows: Rows, file: BinaryIO) -> None:
    """As many sheets as the rows need. Times lose their zone, texts beyond LONGEST_CELL are left out."""
    from openpyxl import Workbook  # here, since a service that exports no workbook does without

    book = Workbook(write_only=True)
    sheets = _Sheets(book, title, heading)
    for row in rows:
        sheets.add([_in_sheet(cell) for cell in row])
    sheets.end()
    book.save(file)


class _Sheets:
    """The sheets of a workbook, one after the other: each with its heading frozen, and a filter on every column."""

    def __init__(self, book: Any, title: str, heading: Sequence[str]) -> None:
        self.book, self.title, self.heading = book, title, heading
        self._begin()

    def _begin(self) -> None:
        self.rows, self.sheet = 0, self.book.create_sheet(f"{self.title} {len(self.book.worksheets) + 1}")
        self.sheet.freeze_panes = "A2"
        self.sheet.append(self.heading)

    def add(self, row: Sequence[Any]) -> None:
        if self.rows == LONGEST_SHEET:
            self.end()
            self._begin()
        self.sheet.append(row)
        self.rows += 1

    def end(self) -> None:
        from openpyxl.utils import get_column_letter

        self.sheet.auto_filter.ref = f"A1:{get_column_letter(len(self.heading))}{self.rows + 1}"


def _in_sheet(cell: Any) -> Any:
    if isinstance(cell, str):
        return _escaped(defused(cell))
    if isinstance(cell, datetime):
        cell = cell.replace(tzinfo=None)
        return cell if cell.date() >= FIRST_DAY else cell.isoformat()
    return cell.isoformat() if isinstance(cell, date) and cell < FIRST_DAY else cell


def _escaped(text: str) -> str | None:
    """As the format writes what XML changes or cannot hold, and what looks like that (ECMA-376, ST_Xstring)."""
    text = ODD.sub(lambda odd: f"_x{ord(odd[0]):04X}_", text)
    return text if len(text) <= LONGEST_CELL else None
