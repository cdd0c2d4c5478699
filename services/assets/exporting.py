"""Facilities as files: CSV, XLSX, GeoJSON and GeoPackage, written row by row in bounded memory.

An import knows such a file again by its columns (domain/columns.py), and changes only what somebody changed in it.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import shapely

from services.assets.domain.columns import COLUMNS, GEOMETRY
from services.assets.domain.sheets import defused
from shared.errors import Invalid

NUMBERS = frozenset({"longitude", "latitude", "measure", "estimated_measure"})
AT_ONCE = 2_000
LONGEST_SHEET = 1_048_575  # rows below the heading
LONGEST_CELL = 32_767  # characters that a cell of XLSX holds
ESCAPE = re.compile(r"_x[0-9A-Fa-f]{4}_")  # of a character, in OOXML
BOM = b"\xef\xbb\xbf"  # Excel then reads the file as UTF-8

Source = Mapping[str, Any]  # a facility by its columns
Write = Callable[[Iterable[Source], BinaryIO], None]


class TooManyRows(Invalid):
    """More rows than this format takes."""

    slug = "too-many-rows"
    zh = "行数超出该格式上限"


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    GEOJSON = "geojson"
    GEOPACKAGE = "gpkg"


MEDIA = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.GEOJSON: "application/geo+json",
    Format.GEOPACKAGE: "application/geopackage+sqlite3",
}


def properties(source: Source) -> dict[str, Any]:
    """What a file says of a facility, by column; times and attributes as text."""
    measure = source["measure_milli"] / 1000
    shown = {name: _plain(source[name]) for name in COLUMNS if "measure" not in name}
    taken, estimated = (None, measure) if source["measure_estimated"] else (measure, None)
    shown |= {"measure": taken, "estimated_measure": estimated}
    return {name: shown[name] for name in COLUMNS}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else None
    return value.isoformat() if isinstance(value, datetime | date) else value


def batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    rest = iter(sources)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _shapes(batch: Sequence[Source]) -> Any:
    return shapely.from_geojson(np.array([json.dumps(each["geometry"]) for each in batch], dtype=object))


def _cells(sources: Iterable[Source]) -> Iterator[list[Any]]:
    """The rows of a table, geometry last."""
    for batch in batches(sources):
        texts = shapely.to_wkt(_shapes(batch), rounding_precision=-1)
        for source, text in zip(batch, texts, strict=True):
            yield [*map(defused, properties(source).values()), text]


def write_csv(sources: Iterable[Source], file: BinaryIO) -> None:
    file.write(BOM)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    table = csv.writer(text)
    table.writerow([*COLUMNS, GEOMETRY])
    table.writerows(_cells(sources))
    text.flush()
    text.detach()


def write_geojson(sources: Iterable[Source], file: BinaryIO) -> None:
    before = '{"type":"FeatureCollection","features":[\n'
    for source in sources:
        shown = {name: value for name, value in properties(source).items() if name not in ("longitude", "latitude")}
        feature = {
            "type": "Feature",
            "id": source["code"],
            "geometry": source["geometry"],
            "properties": shown | {"attributes": source["attributes"]},
        }
        file.write((before + json.dumps(feature, ensure_ascii=False, separators=(",", ":"))).encode())
        before = ",\n"
    file.write(b"\n]}\n" if before == ",\n" else f"{before}]}}\n".encode())


def write_xlsx(sources: Iterable[Source], file: BinaryIO) -> None:
    """As many sheets as the rows need. A geometry longer than a cell is left out, its place stays."""
    from openpyxl import Workbook  # here, since a service that exports no workbook does without

    book = Workbook(write_only=True)
    rows, sheet, left = _cells(sources), None, 0
    for row in rows:
        if sheet is None or not left:
            sheet, left = book.create_sheet(f"facilities {len(book.worksheets) + 1}"), LONGEST_SHEET
            sheet.append([*COLUMNS, GEOMETRY])
        sheet.append([_in_sheet(cell) if isinstance(cell, str) else cell for cell in row])
        left -= 1
    if sheet is None:
        book.create_sheet("facilities 1").append([*COLUMNS, GEOMETRY])
    book.save(file)


def _in_sheet(text: str) -> str | None:
    """Where XML would make another line break of it, and where text looks like that, as the format writes it."""
    text = ESCAPE.sub(r"_x005F\g<0>", text).replace("\r", "_x000D_") if "_x" in text or "\r" in text else text
    return text if len(text) <= LONGEST_CELL else None


def write_geopackage(sources: Iterable[Source], file: BinaryIO) -> None:
    """One layer with every kind of geometry, through a temporary file: the format needs to seek."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facilities.gpkg"
        _add_layer(path, [], append=False)
        for batch in batches(sources):
            _add_layer(path, batch, append=True)
        with path.open("rb") as written:
            shutil.copyfileobj(written, file)


def _add_layer(path: Path, batch: Sequence[Source], *, append: bool) -> None:
    from pyogrio import raw  # here, since a service that exports no GeoPackage does without

    rows = [properties(each) for each in batch]
    raw.write(
        path,
        geometry=shapely.to_wkb(_shapes(batch)) if batch else np.array([], dtype=object),
        field_data=[_column(name, rows) for name in COLUMNS],
        fields=list(COLUMNS),
        layer="facilities",
        driver="GPKG",
        geometry_type="Unknown",
        crs="EPSG:4326",
        append=append,
    )


def _column(name: str, rows: Sequence[dict[str, Any]]) -> Any:
    values = [row[name] for row in rows]
    if name in NUMBERS:
        return np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    return np.array(values, dtype=object)


WRITE: Mapping[Format, Write] = {
    Format.CSV: write_csv,
    Format.XLSX: write_xlsx,
    Format.GEOJSON: write_geojson,
    Format.GEOPACKAGE: write_geopackage,
}
