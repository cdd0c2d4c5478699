"""KML, GPX and OpenStreetMap's XML: points, lines and outlines with what is said of them, streamed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from services.assets.importing import archives
from services.assets.importing.model import Options, Record, Understood, Unusable
from services.assets.importing.openstreetmap import Map
from services.assets.importing.values import clean

READ_WHOLE = 64 << 20  # files up to this size are read to their end before they are taken
SAMPLE = 5_000
MOST_COLUMNS = 2_000
START = 1 << 16
ROOTS = {"kml": "kml", "gpx": "gpx", "osm": "osm"}
TRACKS = {"trk": "trkpt", "rte": "rtept"}
SAID = ("name", "desc", "cmt", "type", "sym", "src", "time")  # what GPX says of a point or track


def describe(path: Path, options: Options) -> dict[str, Any]:
    """What is to be known before the features can be read. Raises Unusable."""
    whole = path.stat().st_size <= READ_WHOLE
    seen: dict[str, None] = {}
    count = 0
    for record in islice(_records(path), None if whole else SAMPLE):
        seen.update((key, None) for key in record.raw)
        count += 1
    if not count:
        raise Unusable("The file holds no points, lines or outlines with a name or tags.")
    return {
        "format": _root_of(path),
        "columns": [*islice(seen, MOST_COLUMNS)],
        "rows_total": count if whole else None,
    }


def records(path: Path, understood: Understood) -> Iterator[Record]:
    """The features in order, counted from 1."""
    return _records(path)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The XML, also of a KMZ, which is a zip with one KML. Raises Unusable."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file
        return
    with archives.opened(path) as archive:
        inside = next(each for each in archive.namelist() if each.lower().endswith(".kml"))
        with archive.open(inside) as file:
            yield file


def _root_of(path: Path) -> str:
    with _opened(path) as file:
        _, root = next(iterparse(file, ["start"]))
    return ROOTS[_bare(root)]


def _bare(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _records(path: Path) -> Iterator[Record]:
    line = 0
    try:
        with _opened(path) as file:
            if b"<!DOCTYPE" in (start := file.read(START)) or b"<!ENTITY" in start:
                raise Unusable("The XML defines words of its own (DOCTYPE), which no map needs.")
        with _opened(path) as file:
            for line, (raw, shape) in enumerate(_features(file), 1):
                yield Record(line, {clean(key): clean(value) for key, value in raw.items()}, shape=shape)
    except (ParseError, zipfile.BadZipFile, EOFError) as wrong:
        raise Unusable(f"After {line} features the XML breaks off: {wrong}. Perhaps the file was cut.") from wrong
    except (ValueError, LookupError, RecursionError) as wrong:
        raise Unusable(f"After {line} features the XML makes no sense: {wrong!r:.100}.") from wrong


def _features(file: IO[bytes]) -> Iterator[tuple[dict[str, Any], Any]]:
    events = iterparse(file, ["start", "end"])
    _, root = next(events)
    reads = {"Placemark": _placemark, "wpt": _waypoint, "trk": _track, "rte": _track}
    osm = Map() if _bare(root) == "osm" else None
    depth = 0
    for event, element in events:
        depth += 1 if event == "start" else -1
        if event == "start":
            if depth > archives.MOST_DEPTH:
                raise Unusable("The XML's elements stand too deep in each other.")
            continue
        name = _bare(element)
        if osm is not None and name in ("node", "way", "relation"):
            if feature := osm.take(_element(element)):
                yield feature
            root.clear()
        elif osm is None and name in reads:
            yield reads[name](element)
            element.clear()
    if osm is not None:
        osm.check()


def _element(element: Element) -> dict[str, Any]:
    """An element of OpenStreetMap's XML as its JSON has it."""
    found: dict[str, Any] = {"type": _bare(element), **element.attrib}
    found["tags"] = {each.attrib["k"]: each.attrib["v"] for each in element.iter("tag")}
    found["nodes"] = [each.attrib["ref"] for each in element.iter("nd")]
    drawn = [each.attrib for each in element.iter("nd") if "lat" in each.attrib]
    return found | ({"geometry": drawn} if drawn else {})


def _texts(element: Element, names: tuple[str, ...]) -> dict[str, Any]:
    children = {_bare(each): (each.text or "").strip() for each in element}
    return {name: children[name] for name in names if children.get(name)}


def _position(element: Element) -> list[float]:
    return [float(element.attrib["lon"]), float(element.attrib["lat"])]


def _waypoint(element: Element) -> tuple[dict[str, Any], Any]:
    return _texts(element, SAID), {"type": "Point", "coordinates": _position(element)}


def _track(element: Element) -> tuple[dict[str, Any], Any]:
    point = TRACKS[_bare(element)]
    parts = [each for each in element if _bare(each) == "trkseg"] or [element]
    lines = [[_position(each) for each in part if _bare(each) == point] for part in parts]
    lines = [each for each in lines if len(each) > 1]
    return _texts(element, SAID), {"type": "MultiLineString", "coordinates": lines} if lines else None


def _placemark(element: Element) -> tuple[dict[str, Any], Any]:
    raw = _texts(element, ("name", "description", "address"))
    for each in element.iter():
        if _bare(each) == "SimpleData" and "name" in each.attrib:
            raw[each.attrib["name"]] = (each.text or "").strip()
        elif _bare(each) == "Data" and "name" in each.attrib:
            raw[each.attrib["name"]] = next(((it.text or "").strip() for it in each if _bare(it) == "value"), "")
    shapes = [shape for each in element if (shape := _kml_shape(each))]
    return raw, shapes[0] if shapes else None


def _kml_shape(element: Element) -> Any:
    """None for what holds no place."""
    match _bare(element):
        case "Point" if places := _coordinates(element):
            return {"type": "Point", "coordinates": places[0]}
        case "LineString" | "LinearRing" if places := _coordinates(element):
            return {"type": "LineString", "coordinates": places}
        case "Polygon" if rings := [_coordinates(each) for each in element.iter() if _bare(each) == "LinearRing"]:
            return {"type": "Polygon", "coordinates": rings}
        case "MultiGeometry":
            return _together([shape for each in element if (shape := _kml_shape(each))])
    return None


def _together(shapes: list[Any]) -> Any:
    kinds = {each["type"] for each in shapes}
    if len(kinds) == 1 and (kind := kinds.pop()) in ("Point", "LineString", "Polygon"):
        return {"type": f"Multi{kind}", "coordinates": [each["coordinates"] for each in shapes]}
    return {"type": "GeometryCollection", "geometries": shapes} if shapes else None


def _coordinates(element: Element) -> list[list[float]]:
    texts = [(each.text or "").split() for each in element.iter() if _bare(each) == "coordinates"]
    return [[float(part) for part in place.split(",") if part] for text in texts for place in text]
