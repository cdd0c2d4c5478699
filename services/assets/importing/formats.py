"""Which format a file is in, told from its content: names lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.assets.importing import archives, features, layers, markup, sheets, text
from services.assets.importing.model import Options, Record, Understood, Unusable

READERS: dict[str, Any] = {
    "csv": text,
    "tsv": text,
    "geojson": features,
    "xlsx": sheets,
    "shapefile": layers,
    "geopackage": layers,
    "kml": markup,
    "gpx": markup,
    "osm": markup,
}
START = 1 << 16
# What a list or object of JSON begins with; headings may stand in brackets too.
JSON = re.compile(rb"""\{\s*+(?:["'}]|\Z)|\[\s*+(?:[\[{\]]|\Z)""")
ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
REFUSED = (
    (b"%PDF", "This is a PDF; export the table as CSV or XLSX."),
    (b"\xd0\xcf\x11\xe0", "This is a workbook of the old kind (XLS); save it as XLSX."),
    (b"\x1f\x8b", "This is a gzip archive; unpack it first."),
    (b"Rar!", "This is a RAR archive; unpack it first."),
    (b"7z\xbc\xaf", "This is a 7z archive; unpack it first."),
    (b"\x89PNG", "This is a picture."),
    (b"\xff\xd8\xff", "This is a picture."),
    (b"GIF8", "This is a picture."),
    (b"AC10", "This is a drawing (DWG); export its points and lines as a shapefile or GeoJSON, with their system."),
    (b"PAR1", "This is Parquet; export it as CSV, GeoJSON or GeoPackage."),
    (b"fgb", "This is FlatGeobuf; export it as GeoJSON or GeoPackage."),
    (b"\x00\x00\x27\x0a", "This is one part of a shapefile; zip all its parts (.shp, .shx, .dbf, .prj) and send that."),
)
DRAWN = "export its points and lines as GeoJSON, a shapefile or a GeoPackage, with their coordinate system."
TOLD = (  # by how the text begins, or a line of it
    (re.compile(rb"^\s*+\[(?:TITLE|OPTIONS|JUNCTIONS|CONDUITS|RAINGAGES|SUBCATCHMENTS)\]\s*$", re.M | re.I),
     f"This is a model of SWMM (INP), whose places have no coordinate system: {DRAWN}"),
    (re.compile(rb"\A0\s++SECTION"), f"This is a drawing (DXF): {DRAWN}"),
    (re.compile(rb"\A.{0,20}OSMHeader", re.DOTALL), "This is OpenStreetMap's PBF; export it as OSM XML or GeoJSON."),
)  # fmt: skip
NO_MAP = {
    "html": "This is a web page or XML, no table; perhaps an error page was saved in place of the file.",
    "featurecollection": f"This is GML: {DRAWN}",
    "gml": f"This is GML: {DRAWN}",
    "osmchange": "These are changes of OpenStreetMap; send the map itself, as OSM XML or GeoJSON.",
    "landxml": f"This is LandXML: {DRAWN}",
    "workbook": "This is a workbook in XML; save it as XLSX.",
}
PACKED = (  # the end of a name in a zip, and what it shows
    ("content.xml", "This is an OpenDocument file; save the table as XLSX or CSV."),
    ("xl/workbook.bin", "This is a binary workbook (XLSB); save it as XLSX."),
    ("word/document.xml", "This is a text document; save its table as XLSX or CSV."),
    (".gdbtable", "This is a file geodatabase; export its layers as GeoPackage or shapefiles."),
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
    for pattern, why in TOLD:
        if pattern.search(visible):
            raise Unusable(why)
    if visible.startswith(b"<"):
        return _of_markup(visible)
    return "geojson" if JSON.match(visible) else "csv"


def _of_markup(visible: bytes) -> str:
    found = ROOT.search(visible)
    root = found[1].decode().lower() if found else "?"
    if root in markup.ROOTS:
        return markup.ROOTS[root]
    if root in ("head", "body", "error") or b"<!doctype html" in visible[:200].lower():
        root = "html"
    raise Unusable(
        NO_MAP.get(root, f"This is XML that holds no map known here ({root[:40]}): send KML, GPX, OSM XML, or {DRAWN}")
    )


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
    if any(name.endswith(".kml") for name in names):
        return "kml"
    for end, why in PACKED:
        if any(name.endswith(end) for name in names):
            raise Unusable(why)
    raise Unusable("The zip holds neither a shapefile (.shp) nor a workbook; other files are sent as they are.")
