"""Facilities as files: CSV, XLSX, GeoJSON and GeoPackage, written some rows at a time.

An import knows such a file again by its columns (domain/columns.py), and changes only what somebody changed in it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import shapely

from services.assets.domain.columns import ATTRIBUTES, COLUMNS, GEOMETRY
from shared.lists import files

HEADING = (*COLUMNS, GEOMETRY)
NUMBERS = frozenset({"longitude", "latitude", "measure", "estimated_measure"})
AT_ONCE = 2_000

Source = Mapping[str, Any]  # a facility by its columns
Write = Callable[[Iterable[Source], BinaryIO], None]


class Format(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    GEOJSON = "geojson"
    GEOPACKAGE = "gpkg"


MEDIA = {
    Format.CSV: files.MEDIA[files.Format.CSV],
    Format.XLSX: files.MEDIA[files.Format.XLSX],
    Format.GEOJSON: "application/geo+json",
    Format.GEOPACKAGE: "application/geopackage+sqlite3",
}


def properties(source: Source) -> dict[str, Any]:
    """What a file says of a facility, by column; attributes as JSON."""
    measure = source["measure_milli"] / 1000
    shown = {name: source[name] for name in COLUMNS if "measure" not in name}
    taken, estimated = (None, measure) if source["measure_estimated"] else (measure, None)
    shown |= {"measure": taken, "estimated_measure": estimated}
    shown[ATTRIBUTES] = json.dumps(source[ATTRIBUTES], ensure_ascii=False) if source[ATTRIBUTES] else None
    return {name: shown[name] for name in COLUMNS}


def as_text(source: Source) -> dict[str, Any]:
    """The same with days and times as text, where a format has no others."""
    found = properties(source)
    return {name: each.isoformat() if isinstance(each, date) else each for name, each in found.items()}


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
            yield [*properties(source).values(), text]


def write_csv(sources: Iterable[Source], file: BinaryIO) -> None:
    files.write_csv(HEADING, _cells(sources), file)


def write_geojson(sources: Iterable[Source], file: BinaryIO) -> None:
    before = '{"type":"FeatureCollection","features":[\n'
    for source in sources:
        shown = {name: value for name, value in as_text(source).items() if name not in ("longitude", "latitude")}
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
    """A geometry longer than a cell is left out, its place stays."""
    files.write_xlsx("facilities", HEADING, _cells(sources), file)


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

    rows = [as_text(each) for each in batch]
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
