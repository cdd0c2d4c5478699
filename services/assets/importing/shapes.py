"""The geometries of a chunk of rows, all at once: read, turned into WGS 84, checked and repaired."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from services.assets.domain import geometry as geo
from services.assets.importing import datums
from services.assets.importing.model import Record, Understood
from services.assets.importing.values import LATITUDE, angle, number, packed_angle, pair, tidy

Shapes = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]
Fault = tuple[str, str]

POINT, MULTIPOINT, COLLECTION = 0, 4, 7
SIMPLE = {MULTIPOINT: POINT, 5: 1, 6: 3}  # multi-geometry → its part
DIMENSION = {0: 0, 4: 0, 1: 1, 2: 1, 5: 1, 3: 2, 6: 2}
DEGREES_OFF = 1e-5  # a metre
MOST_POSITIONS = 100_000  # of one geometry
MOST_MENDED, MOST_CROSSINGS = 20_000, 200  # of an outline that crosses itself; a thousand at random take GEOS minutes
TOGETHER = 100  # segments, so that what they meet fits into memory
NO_GEOMETRY: Fault = ("no-geometry", "The row does not say where it is.")
HEXADECIMAL = re.compile(r"0[01][0-9a-fA-F]{40,}")
EWKT = re.compile(r"^\s*SRID=\d+;", re.IGNORECASE)


class Chunk:
    """Geometries of some rows, and what was found out about each on the way; a fault ends a row."""

    def __init__(self, count: int) -> None:
        self.shapes: Shapes = np.full(count, None, dtype=object)
        self.faults: list[Fault | None] = [None] * count
        self.repairs: list[list[tuple[str, str]]] = [[] for _ in range(count)]

    def refuse(self, mask: Any, rule: str, why: str) -> None:
        for at in np.flatnonzero(mask):
            self.faults[at] = self.faults[at] or (rule, why)
        self.shapes[mask] = None

    def mark(self, mask: Any, rule: str, what: str) -> None:
        for at in np.flatnonzero(mask):
            self.repairs[at].append((rule, what))


def read(records: Sequence[Record], understood: Understood) -> Chunk:
    """The geometries as they stand in the file, in its own coordinates, x (longitude, easting) first."""
    chunk = Chunk(len(records))
    for at, record in enumerate(records):
        chunk.faults[at] = record.fault
    READERS[understood.place](chunk, records, understood)
    missing = shapely.is_missing(chunk.shapes) | shapely.is_empty(chunk.shapes)
    chunk.refuse(missing, *NO_GEOMETRY)
    return chunk


def _of_columns(chunk: Chunk, records: Sequence[Record], understood: Understood) -> None:
    x, y = (_angles(chunk, records, understood.mapping[axis], understood) for axis in ("longitude", "latitude"))
    _set_points(chunk, x, y)


def _set_points(chunk: Chunk, x: datums.Floats, y: datums.Floats) -> None:
    chunk.refuse(np.isinf(x) | np.isinf(y), "not-finite", "A coordinate is infinite.")
    there = np.isfinite(x) & np.isfinite(y)
    chunk.shapes[there] = shapely.points(x[there], y[there])


def _angles(chunk: Chunk, records: Sequence[Record], column: str, understood: Understood) -> datums.Floats:
    """Numbers of a column; not a number where there is nothing or nothing readable."""
    cells, style, mark = (
        [each.raw.get(column) for each in records], understood.coordinate_style, understood.decimals.get(column),
    )  # fmt: skip
    try:
        plain = np.array(cells, dtype=np.float64)
        if style == "degrees" or (style == "projected" and mark != ","):
            return plain
    except (ValueError, TypeError, OverflowError):
        pass
    return np.array([_angle(chunk, at, cell, style, mark) for at, cell in enumerate(cells)])


def _angle(chunk: Chunk, at: int, cell: Any, style: str, mark: str | None) -> float:
    if (cell := tidy(cell)) is None:
        return np.nan
    found = number(cell, mark)
    if found is not None and style == "ddmm.mmm":
        found = packed_angle(found)
    if found is None and isinstance(cell, str) and (read := angle(cell)):
        found = read[0]
    if found is None:
        chunk.faults[at] = chunk.faults[at] or ("unreadable-place", f"{str(cell)[:60]!r} is no coordinate.")
        return np.nan
    return found


def _of_pairs(chunk: Chunk, records: Sequence[Record], understood: Understood) -> None:
    column = understood.mapping["place"]
    x, y = np.full(len(records), np.nan), np.full(len(records), np.nan)
    for at, record in enumerate(records):
        if (cell := tidy(record.raw.get(column))) is None:
            continue
        if found := pair(str(cell)):
            (one, axis), (other, second) = found
            first = axis == LATITUDE or (axis is None and second != LATITUDE and understood.latitude_first)
            y[at], x[at] = (one, other) if first else (other, one)
        else:
            _unreadable(chunk, at, cell)
    _set_points(chunk, x, y)


def _unreadable(chunk: Chunk, at: int, cell: Any) -> None:
    why = "A coordinate is no number." if "null" in str(cell).lower() else f"{str(cell)[:60]!r} is no place."
    chunk.faults[at] = chunk.faults[at] or ("unreadable-place", why)


def _of_text(parse: Callable[[Any], Any]) -> Callable[[Chunk, Sequence[Record], Understood], None]:
    def read_cells(chunk: Chunk, records: Sequence[Record], understood: Understood) -> None:
        column = understood.mapping["place"]
        cells = [tidy(each.raw.get(column)) for each in records]
        _fill(chunk, cells, parse(cells))

    return read_cells


def _fill(chunk: Chunk, given: Sequence[Any], shapes: Any) -> None:
    chunk.shapes[:] = shapes
    for at in map(int, np.flatnonzero(shapely.is_missing(chunk.shapes))):
        if given[at] is not None:
            _unreadable(chunk, at, given[at])


def _from_wkt(cells: Sequence[Any]) -> Any:
    hexadecimal = [str(each).strip() if each and HEXADECIMAL.fullmatch(str(each).strip()) else None for each in cells]
    texts = [None if each is None else EWKT.sub("", str(each)) for each in cells]
    found, binary = shapely.from_wkt(texts, on_invalid="ignore"), shapely.from_wkb(hexadecimal, on_invalid="ignore")
    return np.where(shapely.is_missing(found), binary, found)


def _from_geojson(cells: Sequence[Any]) -> Any:
    texts = [each if each is None or isinstance(each, str) else json.dumps(each) for each in cells]
    return shapely.from_geojson([None if each is None else _bare(each) for each in texts], on_invalid="ignore")


def _bare(text: str) -> str:
    """Esri and others write geometry in capitals or single quotes; GEOS wants the standard."""
    return text.replace("'", '"') if '"' not in text else text


def _of_geometry(chunk: Chunk, records: Sequence[Record], understood: Understood) -> None:
    shapes = [each.shape for each in records]
    if any(isinstance(each, bytes) for each in shapes):
        encoded = [each if isinstance(each, bytes) else None for each in shapes]
        _fill(chunk, shapes, shapely.from_wkb(encoded, on_invalid="ignore"))
        return
    texts = [None if each is None else json.dumps(each) for each in shapes]
    broken = np.array([bool(text and re.search(r"NaN|Infinity|\bnull\b", text)) for text in texts], dtype=bool)
    chunk.refuse(broken, "not-finite", "A coordinate is no number.")
    _fill(chunk, shapes, shapely.from_geojson(texts, on_invalid="ignore"))


READERS = {
    "lon,lat columns": _of_columns,
    "one cell": _of_pairs,
    "wkt": _of_text(_from_wkt),
    "geojson cell": _of_text(_from_geojson),
    "geometry": _of_geometry,
}


def settle(chunk: Chunk, understood: Understood) -> None:
    """Turn the geometries into WGS 84, refuse those that cannot be, and repair the rest."""
    _refuse_endless(chunk)
    _flatten(chunk)
    _refuse_zero(chunk, understood)
    _move(chunk, understood)
    _bound(chunk, understood)
    _simplify(chunk)
    if not understood.any_size:
        _refuse_large(chunk)


def _refuse_endless(chunk: Chunk) -> None:
    endless = shapely.get_num_coordinates(chunk.shapes) > MOST_POSITIONS
    chunk.refuse(endless, "geometry-too-large", f"The geometry has over {MOST_POSITIONS:,} positions.")


def _flatten(chunk: Chunk) -> None:
    deep = shapely.has_z(chunk.shapes)
    if deep.any():
        chunk.shapes[deep] = shapely.force_2d(chunk.shapes[deep])
        chunk.mark(deep, "third-dimension-dropped", "The height was left out.")
    chunk.refuse(_not_finite(chunk.shapes), "not-finite", "A coordinate is infinite or no number.")


def _not_finite(shapes: Shapes) -> Mask:
    """Which geometries hold a coordinate that is no number; their bounds would not tell."""
    places, owners = shapely.get_coordinates(shapes, return_index=True)
    found = np.zeros(len(shapes), dtype=bool)
    found[owners[~np.isfinite(places).all(axis=1)]] = True
    return found


def _refuse_zero(chunk: Chunk, understood: Understood) -> None:
    """Both coordinates are zero, or one is where the file has nothing to do with the equator or Greenwich.

    Metres are counted from wherever a system begins, and zero is a place like any other there.
    """
    if understood.coordinate_style == "projected":
        return
    box = shapely.bounds(chunk.shapes)
    with np.errstate(invalid="ignore"):
        zero = np.abs(box) < DEGREES_OFF
    astray = ~overlaps(box, understood.bounds) & ~overlaps(box[:, [1, 0, 3, 2]], understood.bounds)
    one = zero[:, [0, 2]].all(axis=1) | zero[:, [1, 3]].all(axis=1)
    chunk.refuse(zero.all(axis=1) | (one & astray), "null-island", "A coordinate is 0.")


def _move(chunk: Chunk, understood: Understood) -> None:
    """Into WGS 84, where the file is in another system or names its axes the wrong way round."""
    there = ~shapely.is_missing(chunk.shapes)
    unset = (shapely.bounds(chunk.shapes) == 0).all(axis=1)
    if understood.crs != datums.WGS84 or understood.swapped:
        change = datums.shape_transform(understood.crs, understood.swapped)
        chunk.shapes[there] = shapely.transform(chunk.shapes[there], change)
    if understood.swapped:
        chunk.mark(there, "swapped-lon-lat", "Longitude and latitude were put right.")
    box = shapely.bounds(chunk.shapes)
    with np.errstate(invalid="ignore"):
        lost = (np.abs(box) < DEGREES_OFF).all(axis=1)
    chunk.refuse(lost | (unset & ~overlaps(box, understood.bounds)), "null-island", "A coordinate is 0.")
    chunk.refuse(_not_finite(chunk.shapes), "outside-world", "The coordinate system does not reach that far.")


def _bound(chunk: Chunk, understood: Understood) -> None:
    box = shapely.bounds(chunk.shapes)
    _refuse_swapped(chunk, box, understood)
    _swap_back(chunk, box, understood)
    box = shapely.bounds(chunk.shapes)
    with np.errstate(invalid="ignore"):
        beyond = (np.abs(box) > (180, 90, 180, 90)).any(axis=1)
    chunk.refuse(beyond, "outside-world", "Longitude is within ±180 and latitude within ±90 degrees.")
    outside = ~overlaps(box, understood.bounds) & ~shapely.is_missing(chunk.shapes)
    if understood.check_bounds == "refuse":
        chunk.refuse(outside, "outside-bounds", "The place lies outside the city's bounds.")
    elif understood.check_bounds == "warn":
        chunk.mark(outside, "outside-bounds", "The place lies outside the city's bounds.")


def _refuse_swapped(chunk: Chunk, box: datums.Floats, understood: Understood) -> None:
    """In a file that does not lie in the city for the most part, rows that would the other way round."""
    if not (city := understood.city_bounds) or understood.coordinate_style == "projected":
        return
    swapped = ~overlaps(box, city) & overlaps(box[:, [1, 0, 3, 2]], city)
    chunk.refuse(swapped, "swapped-lon-lat", "Longitude and latitude seem swapped: so it would lie in the city.")


def _swap_back(chunk: Chunk, box: datums.Floats, understood: Understood) -> None:
    """Rows that lie outside the bounds as they stand, and within them the other way round."""
    if not understood.bounds or understood.coordinate_style == "projected":
        return
    astray = ~overlaps(box, understood.bounds) & overlaps(box[:, [1, 0, 3, 2]], understood.bounds)
    astray &= ~shapely.is_missing(chunk.shapes)
    if astray.any():
        chunk.shapes[astray] = shapely.transform(chunk.shapes[astray], lambda places: places[:, ::-1])
        chunk.mark(astray, "swapped-lon-lat", "Longitude and latitude were put right.")


def overlaps(box: datums.Floats, bounds: Sequence[float]) -> Mask:
    """Which boxes (rows of west, south, east, north) touch the bounds; without bounds, all do."""
    if not bounds:
        return np.ones(len(box), dtype=bool)
    west, south, east, north = bounds
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (box[:, 0] <= east) & (box[:, 2] >= west) & (box[:, 1] <= north) & (box[:, 3] >= south), dtype=bool
        )


def _simplify(chunk: Chunk) -> None:
    """Valid polygons, no multi-geometry with one part, no collection."""
    kinds = shapely.get_type_id(chunk.shapes)
    _unwrap(chunk, kinds)
    broken = ~shapely.is_valid(chunk.shapes) & (shapely.get_dimensions(chunk.shapes) == 2)
    broken &= ~_refuse_tangled(chunk, broken)
    for at in np.flatnonzero(broken):
        chunk.shapes[at] = _largest_parts(shapely.make_valid(chunk.shapes[at]))
    chunk.mark(broken, "self-intersection", "The outline crosses itself; the area was drawn anew.")
    kinds = shapely.get_type_id(chunk.shapes)
    chunk.refuse(kinds == COLLECTION, "unsupported-geometry", "The geometry mixes points, lines and polygons.")
    chunk.refuse(shapely.is_empty(chunk.shapes), "not-measurable", "Nothing is left of the polygon.")


def _refuse_tangled(chunk: Chunk, broken: Mask) -> Mask:
    """Outlines that GEOS would draw anew for minutes."""
    tangled = np.zeros_like(broken)
    for at in np.flatnonzero(broken):
        tangled[at] = shapely.get_num_coordinates(chunk.shapes[at]) > MOST_MENDED or _is_tangled(chunk.shapes[at])
    chunk.refuse(tangled, "geometry-too-large", "The outline crosses itself too often to be drawn anew.")
    return tangled


def _is_tangled(shape: Any) -> bool:
    """Whether segments meet others than their neighbours more often than people's mistakes make them."""
    places, ring = shapely.get_coordinates(shapely.get_rings(shape), return_index=True)
    segments = shapely.linestrings(np.stack([places[:-1], places[1:]], axis=1)[ring[:-1] == ring[1:]])
    tree, meetings = shapely.STRtree(segments), 0
    for start in range(0, len(segments), TOGETHER):
        some = segments[start : start + TOGETHER]
        meetings += tree.query(some, predicate="intersects").shape[1] - 3 * len(some)
        if meetings > MOST_CROSSINGS:
            return True
    return False


def _unwrap(chunk: Chunk, kinds: npt.NDArray[np.int32]) -> None:
    alone = np.isin(kinds, [*SIMPLE, COLLECTION]) & (shapely.get_num_geometries(chunk.shapes) == 1)
    chunk.shapes[alone] = shapely.get_geometry(chunk.shapes[alone], 0)
    chunk.mark(alone, "single-part", "The multi-geometry had one part.")


def _largest_parts(shape: Any) -> Any:
    """Of what make_valid gives, the polygons."""
    parts = [each for each in shapely.get_parts(shape) if shapely.get_dimensions(each) == 2]
    if not parts:
        return shapely.from_wkt("POLYGON EMPTY")
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _refuse_large(chunk: Chunk) -> None:
    box = shapely.bounds(chunk.shapes)
    with np.errstate(invalid="ignore"):
        cells = (np.floor((box[:, 2:] - box[:, :2]) / geo.CELL_DEG) + 2).prod(axis=1)
        doubtful = cells > geo.MOST_CELLS
    for at in np.flatnonzero(doubtful):
        try:
            geo.cells_of(as_geojson(chunk.shapes[[at]])[0])
        except geo.TooLarge as wrong:
            chunk.faults[at] = chunk.faults[at] or ("geometry-too-large", wrong.detail)
            chunk.shapes[at] = None


def as_geojson(shapes: Shapes) -> list[Any]:
    """GeoJSON geometries, None where there is none."""
    found: list[Any] = [None] * len(shapes)
    kinds = shapely.get_type_id(shapes)
    points = np.flatnonzero(kinds == POINT)
    for at, place in zip(points, shapely.get_coordinates(shapes[points]).tolist(), strict=True):
        found[at] = {"type": "Point", "coordinates": place}
    others = np.flatnonzero(kinds > POINT)
    for at, text in zip(others, shapely.to_geojson(shapes[others]), strict=True):
        found[at] = json.loads(text)
    return found
