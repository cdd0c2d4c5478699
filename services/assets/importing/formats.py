"""Which format a file is in, told from its content: names lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.assets.importing import archives, features, layers, sheets, text
from services.assets.importing.model import Options, Record, Understood, Unusable

READERS: dict[str, Any] = {
    "csv": text,
    "tsv": text,
    "geojson": features,
    "xlsx": sheets,
    "shapefile": layers,
    "geopackage": layers,
}
START = 4096
REFUSED = (
    (b"%PDF", "This is a PDF; export the table as CSV or XLSX."),
    (b"\xd0\xcf\x11\xe0", "This is a workbook of the old kind (XLS); save it as XLSX."),
    (b"\x1f\x8b", "This is a gzip archive; unpack it first."),
    (b"Rar!", "This is a RAR archive; unpack it first."),
    (b"7z\xbc\xaf", "This is a 7z archive; unpack it first."),
    (b"\x89PNG", "This is a picture."),
    (b"\xff\xd8\xff", "This is a picture."),
    (b"GIF8", "This is a picture."),
    (b"\x00\x00\x27\x0a", "This is one part of a shapefile; zip all its parts (.shp, .shx, .dbf, .prj) and send that."),
)


def describe(path: Path, options: Options) -> dict[str, Any]:
    """The format and what it needs to be read by. Raises Unusable."""
    found: dict[str, Any] = READERS[_format_of(path)].describe(path, options)
    return found


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The rows of the file in order, streamed. Raises Unusable where it breaks off."""
    found: Iterator[Record] = READERS[understood.format].records(path, understood)
    return found


def _format_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(START)
    if not start.strip(b" \r\n\t\0\xef\xbb\xbf"):
        raise Unusable("The file is empty.")
    for mark, why in REFUSED:
        if start.startswith(mark):
            raise Unusable(why)
    if start.startswith(b"SQLite format 3\0"):
        return _of_database(start)
    if start.startswith(b"PK"):
        return _of_zip(path)
    visible = start.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b" \r\n\t\x1e\xff\xfe")
    return "geojson" if visible[:1] in (b"{", b"[") else "csv"


def _of_database(start: bytes) -> str:
    if start[68:72] not in (b"GPKG", b"GP10", b"GP11"):
        raise Unusable("This is a database of SQLite and no GeoPackage.")
    return "geopackage"


def _of_zip(path: Path) -> str:
    with archives.opened(path) as archive:
        names = [name.lower() for name in archive.namelist()]
    if "xl/workbook.xml" in names:
        return "xlsx"
    if any(name.endswith(".shp") for name in names):
        return "shapefile"
    raise Unusable("The zip holds neither a shapefile (.shp) nor a workbook; other files are sent as they are.")
