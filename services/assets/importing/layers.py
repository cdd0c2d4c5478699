"""Shapefiles in a zip, and GeoPackages, read through GDAL a slice at a time."""

from __future__ import annotations

import re
import sqlite3
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw

from services.assets.domain.imports import text_encoding
from services.assets.importing import archives
from services.assets.importing.encodings import encoding_of_bytes
from services.assets.importing.headings import named
from services.assets.importing.model import Options, Record, Understood, Unusable

SLICE = 10_000
MOST_LAYERS = 100  # each is opened to be described, and in a GeoPackage all of them are looked through for that
PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".cst")
VIRTUAL, RTREE = (re.compile(rf"\A\s*+CREATE\s++VIRTUAL\b{what}", re.I) for what in ("", r"(?s:.*)\bUSING\s++rtree\b"))
SHP_MARK = b"\x00\x00\x27\x0a"
GPKG, SHAPEFILE = "geopackage", "shapefile"
FIELD, FIELD_NAME, END_OF_FIELDS = 32, 11, 0x0D  # bytes in the header of a DBF
# What byte 29 of a DBF says about its encoding, where it says anything reliable.
DBF_LANGUAGES = {0x4D: "gb18030", 0x4E: "cp949", 0x4F: "cp950", 0x7A: "gb18030", 0x78: "cp950", 0x79: "cp949"}


def describe(path: Path, options: Options) -> dict[str, Any]:
    """What is to be known before the features can be read. Raises Unusable."""
    with _source(path) as (source, kind, encodings):
        names = _layers(source, encodings)
        if len(names) > MOST_LAYERS:
            raise Unusable(f"The file has {len(names):,} layers, more than {MOST_LAYERS}: send those with facilities.")
        layers = {name: _info(source, name, encodings.get(name)) for name in names}
        if not layers:
            raise Unusable("There is no layer with geometries in the file.")
        layer = options.layer or max(layers, key=lambda name: layers[name]["features"])
        if layer not in layers:
            raise Unusable(f"There is no layer {layer!r}; there are {', '.join(map(repr, layers))}.")
    others = [name for name in layers if name != layer]
    info = layers[layer]
    return {
        "format": kind,
        "encoding": text_encoding(options.encoding or "") or encodings.get(layer),
        "layer": layer,
        "layers": [*layers],
        "columns": info["names"],
        "rows_total": max(0, int(info["features"])),
        "notes": [f"Read was the layer {layer!r}; there are also {', '.join(map(repr, others))}."] if others else [],
    } | ({"crs": info["crs"], "crs_found_by": "the file"} if info["crs"] else {})


@contextmanager
def _source(path: Path) -> Iterator[tuple[Path, str, dict[str, str | None]]]:
    """(what GDAL opens, format, layer → encoding): in a folder of ours, under a name of ours."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if zipfile.is_zipfile(path):
            yield Path(folder), SHAPEFILE, _unpacked(path, folder)
        else:
            _check_package(path)
            (Path(folder) / "file.gpkg").symlink_to(path.resolve())
            yield Path(folder) / "file.gpkg", GPKG, {}


def _check_package(path: Path) -> None:
    """A database can hold more than rows: views and computed columns are programs, which may never end."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            schema = database.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall()
            tables = [name for kind, name, sql in schema if kind == "table" and not VIRTUAL.match(sql)]
            hidden = "SELECT max(hidden) FROM pragma_table_xinfo(?)"
            computed = [name for name in tables if database.execute(hidden, (name,)).fetchone()[0]]
    except (sqlite3.Error, ValueError) as wrong:
        raise Unusable(f"The GeoPackage is damaged: {str(wrong)[:200]}") from wrong
    views = [name for kind, name, sql in schema if kind == "view" or (VIRTUAL.match(sql) and not RTREE.match(sql))]
    if views or computed:
        named = ", ".join(map(repr, (views + computed)[:5]))
        raise Unusable(f"The GeoPackage holds more than tables ({named}): export its layers as plain ones.")


def _unpacked(path: Path, folder: str) -> dict[str, str | None]:
    """Unpack all parts of all shapefiles; returns their layers with the encoding of each."""
    with archives.opened(path) as archive:
        members = {each: PurePosixPath(each) for each in archive.namelist()}
        wanted = {each: name.name for each, name in members.items() if name.suffix.lower() in PARTS and _own(name)}
        archives.unpack(archive, {each: _safe(name) for each, name in wanted.items()}, Path(folder))
    found = {name.stem: name for name in sorted(Path(folder).iterdir()) if name.suffix == ".shp"}
    if not found:
        raise Unusable("The zip holds no shapefile (.shp).")
    for stem, shape in found.items():
        _check_shape(stem, shape)
        _set_names_aside(shape)
    return {stem: _encoding_of(shape) for stem, shape in found.items()}


def _own(name: PurePosixPath) -> bool:
    """Macs put shadows of all files into their zips."""
    return "__MACOSX" not in name.parts and not name.name.startswith(".")


def _safe(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    tidy = re.sub(r"[^\w .()-]+", "_", stem)[:60]
    return f"{tidy}.{suffix.lower()}"


def _check_shape(stem: str, shape: Path) -> None:
    with shape.open("rb") as file:
        if file.read(4) != SHP_MARK:
            raise Unusable(f"{stem}.shp is no shapefile.")
    if missing := [each for each in (".shx", ".dbf") if not shape.with_suffix(each).exists()]:
        raise Unusable(
            f"The zip lacks {' and '.join(stem + each for each in missing)}, without which it cannot be read."
        )


def _encoding_of(shape: Path) -> str | None:
    """What the .cpg says, else what the attributes look like."""
    page = shape.with_suffix(".cpg")
    if page.exists() and (named := _named(page.read_bytes()[:100].decode(errors="replace"))):
        return named
    with shape.with_suffix(".dbf").open("rb") as file:
        head = file.read(32)
        if len(head) < 32:
            raise Unusable("The attributes (.dbf) are damaged.")
        if language := DBF_LANGUAGES.get(head[29]):
            return language
        file.seek(int.from_bytes(head[8:10], "little"))
        strange = b"\n".join(each for each in re.split(rb" +", file.read(1 << 20)) if not each.isascii())
    return encoding_of_bytes(strange[: 1 << 16]) if strange else "utf-8"


def _named(page: str) -> str | None:
    """``UTF-8``, ``936``, ``ANSI 949``, ``BIG5`` as Python names it."""
    text = page.strip().strip("\0").casefold().replace("ansi", "").strip()
    return text_encoding(f"cp{text}" if text.isdigit() else text)


def _layers(source: Path, encodings: dict[str, str | None]) -> list[str]:
    if encodings:
        return [*encodings]
    try:
        return [str(name) for name, kind in pyogrio.list_layers(source) if kind is not None]
    except Exception as wrong:  # GDAL's errors have no common ancestor below Exception
        raise Unusable(f"The GeoPackage is damaged: {str(wrong)[:200]}") from wrong


def _opened(source: Path, layer: str, encodings: Any) -> dict[str, Any]:
    """How pyogrio finds a layer: a file for each layer of a shapefile, one file for all of a GeoPackage."""
    if source.is_dir():
        return {"path_or_buffer": source / f"{layer}.shp", "encoding": encodings}
    return {"path_or_buffer": source, "layer": layer}


def _info(source: Path, layer: str, encoding: str | None) -> dict[str, Any]:
    where = _opened(source, layer, encoding)
    try:
        found: dict[str, Any] = pyogrio.read_info(where.pop("path_or_buffer"), force_feature_count=True, **where)
    except Exception as wrong:
        raise Unusable(f"The layer {layer!r} is damaged: {str(wrong)[:200]}") from wrong
    names = (source / f"{layer}.names").read_bytes().split(b"\n") if source.is_dir() else []
    real = {f"F{at}": _decoded(name, encoding) for at, name in enumerate(names)}
    return found | {"names": named([real.get(each, each) for each in map(str, found["fields"])], 0)}


def _decoded(name: bytes, encoding: str | None) -> str:
    try:
        return name.decode(encoding or "utf-8", errors="ignore")
    except LookupError:
        return name.decode(errors="ignore")


def _set_names_aside(shape: Path) -> None:
    """Give the columns of a DBF plain names, and keep their own beside it.

    A name has ten bytes, so that one in UTF-8 may be cut within a character, upon which pyogrio gives up.
    """
    table = shape.with_suffix(".dbf")
    names: list[bytes] = []
    with table.open("r+b") as file:
        file.seek(FIELD)
        while len(field := file.read(FIELD)) == FIELD and field[0] != END_OF_FIELDS:
            file.seek(-FIELD, 1)
            file.write(f"F{len(names)}".encode().ljust(FIELD_NAME, b"\0"))
            file.seek(FIELD - FIELD_NAME, 1)
            names.append(field[:FIELD_NAME].split(b"\0")[0].replace(b"\n", b" "))
    shape.with_suffix(".names").write_bytes(b"\n".join(names))


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The features of the layer in order, counted from 1."""
    line = 0
    with _source(path) as (source, _, _):
        where = _opened(source, understood.layer or "", understood.encoding)
        target = where.pop("path_or_buffer")
        while True:
            try:
                _, _, shapes, columns = pyogrio.raw.read(target, skip_features=line, max_features=SLICE, **where)
            except Exception as wrong:
                raise Unusable(f"The layer breaks off: {str(wrong)[:200]}", line or None) from wrong
            if not len(shapes):
                return
            values = zip(*[_values(each) for each in columns], strict=True) if columns else [()] * len(shapes)
            for shape, cells in zip(shapes, values, strict=True):
                line += 1
                yield Record(line, dict(zip(understood.columns, cells, strict=True)), shape=shape)
            if len(shapes) < SLICE:
                return


def _values(column: Any) -> list[Any]:
    """A column as JSON has it: days and times as text, what is missing as None."""
    if column.dtype.kind == "M":
        return [None if np.isnat(each) else _day(each.tolist()) for each in column]
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        return [each if each == each else None for each in values]
    return [each.hex() if isinstance(each, bytes) else each for each in values] if column.dtype == object else values


def _day(at: date | datetime) -> str:
    return at.isoformat()
