"""Which format a file is in, told from its content: names lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.assets.importing import features, text
from services.assets.importing.model import Options, Record, Understood, Unusable

READERS: dict[str, Any] = {"csv": text, "tsv": text, "geojson": features}
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
    visible = start.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b" \r\n\t\x1e\xff\xfe")
    return "geojson" if visible[:1] in (b"{", b"[") else "csv"
