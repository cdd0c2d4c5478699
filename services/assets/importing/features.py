"""GeoJSON: a collection, a list or a sequence of features, streamed; OpenStreetMap's tags included."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import ijson
import numpy as np

from services.assets.domain.imports import text_encoding
from services.assets.importing.encodings import encoding_of, is_all_utf8
from services.assets.importing.model import Options, Record, Understood, Unusable
from services.assets.importing.openstreetmap import Map
from services.assets.importing.values import clean

SAMPLE = 5_000
OVERPASS = "elements"
EDGE = 1 << 16
MOST_DEPTH = 64  # of objects and lists in each other; a parser's memory grows with its square
MOST_COLUMNS = 2_000  # that are looked at one by one; the values of more are kept
READ_WHOLE = 256 << 20  # files up to this size are read to their end before they are taken
GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"
}  # fmt: skip
CRS = re.compile(r'"crs"\s*+:\s*+\{[^{}]*+\{[^{}]*?"(?:name|code)"\s*+:\s*+"?([^"{},]++)')
NO_NUMBER = re.compile(rb"(?<=[\s\[,:])(?:-?Infinity|-?NaN|nan)(?=[\s,\]}])")
REMARK = re.compile(rb'"remark"\s*+:\s*+"([^"]*+)"')
ID = "id"
QUOTE = ord('"')
STEPS = np.zeros(256, np.int8)
STEPS[[*b"[{"]], STEPS[[*b"]}"]] = 1, -1


def describe(path: Path, options: Options) -> dict[str, Any]:
    """What is to be known before the features can be read. Raises Unusable."""
    encoding = text_encoding(options.encoding or "") or encoding_of(path)
    prefix = _arrangement(path, encoding)
    if prefix.startswith(OVERPASS):
        _is_all_that_was_asked(path)
    whole = path.stat().st_size <= READ_WHOLE
    seen: dict[str, None] = {}
    count = 0
    for record in islice(_records(path, encoding, prefix), None if whole else SAMPLE):
        if len(seen) < MOST_COLUMNS:
            seen.update(islice(((key, None) for key in record.raw if key not in seen), MOST_COLUMNS - len(seen)))
        count += 1
    if not count:
        raise Unusable("The file holds no features.")
    if not whole:
        _closes(path)
    crs = _crs_of(path)
    return {
        "format": "geojson",
        "encoding": encoding,
        "columns": [*seen],
        "rows_total": count if whole else _count(path),
    } | ({"crs": crs, "crs_found_by": "the file's crs member"} if crs else {})


def _arrangement(path: Path, encoding: str) -> str:
    """The ijson prefix of the features: ``features.item``, Overpass' ``elements.item``, ``item``, or empty for one
    after the other."""
    try:
        with _opened(path, encoding) as file:
            for prefix, event, _ in ijson.parse(file, multiple_values=True):
                if event == "start_array" and prefix in ("features", OVERPASS, ""):
                    return f"{prefix}.item" if prefix else "item"
                if (prefix, event) == ("", "end_map"):
                    return ""
    except (ijson.JSONError, ValueError) as wrong:
        raise _broken(wrong, 0) from wrong
    raise Unusable("This JSON holds no features.")


def _is_all_that_was_asked(path: Path) -> None:
    """Overpass sends what it has when its time is over, and says so behind it. Raises Unusable."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - EDGE))
        found = REMARK.search(file.read())
    if found and b"error" in found[1]:
        why = found[1].decode(errors="replace")[:200]
        raise Unusable(f"Overpass says that this answer is not whole: {why} Ask for less at once, or for more time.")


def _broken(wrong: Exception, line: int) -> Unusable:
    why = " ".join(str(wrong).split("\n")[0].split())
    return Unusable(f"After {line} features the GeoJSON breaks off: {why}. Perhaps the file was cut.", line or None)


def _opened(path: Path, encoding: str) -> io.BufferedIOBase:
    """The file's bytes as the parser needs them: UTF-8 without a mark, every number one that JSON knows."""
    file: Any = path.open("rb")
    if encoding == "utf-8-sig":
        file.seek(len(codecs.BOM_UTF8))
    elif encoding != "utf-8" or not is_all_utf8(path):
        file = codecs.EncodedFile(file, "utf-8", encoding, errors="replace")
    return cast(io.BufferedIOBase, _Lenient(file))


class _Lenient:
    """Reads a file whose NaN and Infinity, which JSON lacks, become null, and record separators (RFC 8142) spaces."""

    def __init__(self, file: Any) -> None:
        self.file, self.kept, self.ended = file, b"", False
        self.depth, self.escaped, self.within = 0, False, False

    def __enter__(self) -> _Lenient:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        while not self.ended:
            block = self.file.read(size)
            self.ended = not block
            self._check_depth(block)
            text = self.kept + block
            cut = len(text) if self.ended else self._safe_end(text)
            self.kept = text[cut:]
            if cut:
                return NO_NUMBER.sub(b"null", text[:cut]).replace(b"\x1e", b" ")
        return b""

    def _check_depth(self, block: bytes) -> None:
        """Raises Unusable. Before any parser sees it: brackets outside texts are counted."""
        if self.escaped:
            block = b"_" + block[1:]
        plain = block.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        self.escaped = plain.endswith(b"\\")
        signs = np.frombuffer(plain, np.uint8)
        texts = np.bitwise_xor.accumulate(signs == QUOTE) ^ self.within if len(signs) else signs
        steps = STEPS[signs] * ~texts
        deep = self.depth + np.cumsum(steps, dtype=np.int64)
        if not len(deep):
            return
        self.within, self.depth = bool(texts[-1]), int(deep[-1])
        if np.max(deep) > MOST_DEPTH:
            raise Unusable(f"Objects and lists stand in each other more than {MOST_DEPTH} deep.")

    @staticmethod
    def _safe_end(text: bytes) -> int:
        """Where to cut so that no word is torn: behind the last comma, within reason."""
        at = text.rfind(b",", max(0, len(text) - 64))
        return at if at > 0 else len(text)


def _closes(path: Path) -> None:
    """A file too large to read twice must at least end as JSON does."""
    with path.open("rb") as file:
        file.seek(-min(EDGE, path.stat().st_size), io.SEEK_END)
        if not file.read().rstrip(b" \r\n\t\0").endswith((b"}", b"]")):
            raise Unusable("The file was cut: its JSON never closes.")


def _crs_of(path: Path) -> str | None:
    """The old ``crs`` member (GeoJSON of 2008), which stands before or after the features."""
    with path.open("rb") as file:
        start = file.read(EDGE)
        file.seek(-min(EDGE, path.stat().st_size), io.SEEK_END)
        text = (start + b"\n" + file.read()).decode(errors="replace")
    found = CRS.search(text)
    return found[1].strip() if found else None


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(
            len(re.findall(rb'"type"\s*:\s*"Feature"', block)) for block in iter(lambda: file.read(1 << 20), b"")
        )


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The features in order, counted from 1."""
    encoding = understood.encoding or "utf-8"
    return _records(path, encoding, _arrangement(path, encoding))


def _records(path: Path, encoding: str, prefix: str) -> Iterator[Record]:
    line, osm = 0, None
    try:
        if prefix == f"{OVERPASS}.item":
            osm = Map()
            with _opened(path, encoding) as file:
                for element in ijson.items(file, prefix, multiple_values=True, use_float=True):
                    osm.know(element)
        with _opened(path, encoding) as file:
            for line, feature in enumerate(ijson.items(file, prefix, multiple_values=True, use_float=True), 1):
                if osm is None:
                    yield _record(line, feature)
                elif drawn := osm.take(feature):
                    yield Record(line, clean(drawn[0]), shape=drawn[1])
        if osm is not None:
            osm.check()
    except (ijson.JSONError, ValueError, OverflowError, RecursionError) as wrong:
        raise _broken(wrong, line) from wrong


def _record(line: int, feature: Any) -> Record:
    if not isinstance(feature, dict):
        return Record(line, {"value": clean(feature)}, fault=("no-feature", "The item is no object."))
    if feature.get("type") in GEOMETRIES:
        return Record(line, {}, shape=feature)
    if feature.get("type") != "Feature":  # a row of plain JSON, whose columns may say where it is
        return Record(line, clean(feature))
    shape = feature.get("geometry")
    return Record(line, _flat(feature), shape=shape if isinstance(shape, dict) else None)


def _flat(feature: dict[str, Any]) -> dict[str, Any]:
    """The properties, with OpenStreetMap's ``tags`` among them and the feature's own id."""
    properties = feature.get("properties")
    raw = dict(properties) if isinstance(properties, dict) else {}
    if isinstance(tags := raw.get("tags"), dict):
        del raw["tags"]
        raw = {**raw, **tags}
    if feature.get(ID) is not None:
        raw.setdefault(ID, feature[ID])
    return {clean(key): clean(value) for key, value in raw.items()}
