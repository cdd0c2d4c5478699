"""Geometry on the earth, as far as the registry needs it: measures, nearness, areas, and cells to find things by.

What is measured is measured on the ellipsoid; what only finds or places things is reckoned on the sphere.

Geometries are GeoJSON objects in WGS 84, longitude first. A box is (west, south, east, north) in degrees. Nothing here
crosses the antimeridian.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import asin, asinh, ceil, cos, floor, hypot, pi, radians, sin, sqrt, tan
from typing import Any

from pyproj import Geod

from shared.errors import Invalid

Geometry = dict[str, Any]
Position = Sequence[float]
Box = tuple[float, float, float, float]

ELLIPSOID = Geod(ellps="WGS84")
EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG
DEGREE_M = radians(1) * EARTH_RADIUS_M
CELL_DEG = 0.001
CELLS_ROUND = 360_000  # cells on one parallel
MOST_CELLS = 10_000
FINEST = 20  # level of the tiles that a quadkey numbers: about 38 m wide at the equator
MERCATOR_END = 85.0511  # degrees of latitude; beyond it the web's maps show nothing
MOST_TILES = 24  # of which a box is put together


class TooLarge(Invalid):
    """A geometry is far larger than a city's facility can be."""

    slug = "geometry-too-large"
    zh = "几何范围过大"


def positions(geometry: Geometry) -> Iterator[Position]:
    """Every position of a geometry, in order."""
    yield from _flat(geometry["coordinates"])


def _flat(coordinates: Any) -> Iterator[Position]:
    if isinstance(coordinates[0], (int, float)):
        yield coordinates
    else:
        for part in coordinates:
            yield from _flat(part)


def lines(geometry: Geometry) -> list[list[Position]]:
    """The lines of a (Multi)LineString, or the rings of a (Multi)Polygon; empty for points."""
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "LineString":
            return [coordinates]
        case "MultiLineString" | "Polygon":
            return list(coordinates)
        case "MultiPolygon":
            return [ring for polygon in coordinates for ring in polygon]
    return []


def segments(geometry: Geometry) -> Iterator[tuple[Position, Position]]:
    for line in lines(geometry):
        yield from pairwise(line)


def box_of(geometry: Geometry) -> Box:
    """The smallest box around a geometry."""
    if geometry["type"] == "Point":
        longitude, latitude = geometry["coordinates"][:2]
        return longitude, latitude, longitude, latitude
    places = list(positions(geometry))
    longitudes, latitudes = [each[0] for each in places], [each[1] for each in places]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def box_around(longitude: float, latitude: float, radius_m: float) -> Box:
    """A box that holds the circle of ``radius_m`` about a place."""
    north = radius_m / DEGREE_M
    east = north / max(cos(radians(latitude)), 0.01)
    return longitude - east, latitude - north, longitude + east, latitude + north


def overlap(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and one[2] >= other[0] and one[1] <= other[3] and one[3] >= other[1]


def metres_between(one: Position, other: Position) -> float:
    """Great-circle distance in metres (haversine)."""
    half_north, half_east = radians(other[1] - one[1]) / 2, radians(other[0] - one[0]) / 2
    chord = sin(half_north) ** 2 + cos(radians(one[1])) * cos(radians(other[1])) * sin(half_east) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord)))


def metres_apart(one: Geometry, other: Geometry) -> float:
    """Distance in metres between the boxes of two geometries; 0 where these overlap."""
    here, there = box_of(one), box_of(other)
    east, north = (_gap((here[axis], here[axis + 2]), (there[axis], there[axis + 2])) for axis in (0, 1))
    return metres_between((east[0], north[0]), (east[1], north[1]))


def _gap(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The nearest ends of two ranges; twice the same number where they overlap."""
    if one[1] < other[0]:
        return one[1], other[0]
    return (one[0], other[1]) if other[1] < one[0] else (max(one[0], other[0]),) * 2


def length_m(geometry: Geometry) -> float:
    """Geodesic length of a line, or of a polygon's outline, in metres; 0 for points.

    C. Karney, "Algorithms for geodesics", J. Geodesy 87, 2013, as PROJ has it.
    """
    return sum(ELLIPSOID.line_length(*_axes(line)) for line in lines(geometry))


def _axes(line: Sequence[Position]) -> tuple[list[float], list[float]]:
    return [each[0] for each in line], [each[1] for each in line]


def area_m2(geometry: Geometry) -> float:
    """Area of a polygon less its holes in square metres, between geodesics; 0 for points and lines."""
    match geometry["type"]:
        case "Polygon":
            return _polygon_area(geometry["coordinates"])
        case "MultiPolygon":
            return sum(_polygon_area(each) for each in geometry["coordinates"])
    return 0.0


def _polygon_area(rings: Sequence[Sequence[Position]]) -> float:
    outer, *holes = (_ring_area(ring) for ring in rings)
    return max(0.0, outer - sum(holes))


def _ring_area(ring: Sequence[Position]) -> float:
    area, _ = ELLIPSOID.polygon_area_perimeter(*_axes(ring))
    return abs(area)


def contains(geometry: Geometry, longitude: float, latitude: float) -> bool:
    """Whether a (multi)polygon holds a place: an odd number of outlines lies east of it (holes included)."""
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        return False
    crossed = False
    for (x1, y1, *_), (x2, y2, *_) in segments(geometry):
        if (y1 > latitude) != (y2 > latitude) and longitude < (x2 - x1) * (latitude - y1) / (y2 - y1) + x1:
            crossed = not crossed
    return crossed


def metres_from(geometry: Geometry, longitude: float, latitude: float) -> float:
    """Distance in metres from a place to the nearest point of a geometry; 0 inside a polygon.

    Reckoned on the plane that touches the earth at the place: good to 0.1 % within some kilometres.
    """
    if contains(geometry, longitude, latitude):
        return 0.0
    squeeze = cos(radians(latitude))

    def plane(position: Position) -> tuple[float, float]:
        return (position[0] - longitude) * squeeze * DEGREE_M, (position[1] - latitude) * DEGREE_M

    pieces = [_from_origin(plane(one), plane(other)) for one, other in segments(geometry)]
    return min(pieces or [hypot(*plane(each)) for each in positions(geometry)])


def _from_origin(one: tuple[float, float], other: tuple[float, float]) -> float:
    east, north = other[0] - one[0], other[1] - one[1]
    square = east**2 + north**2
    along = 0.0 if square == 0 else max(0.0, min(1.0, -(one[0] * east + one[1] * north) / square))
    return hypot(one[0] + along * east, one[1] + along * north)


def anchor(geometry: Geometry) -> tuple[float, float]:
    """The (longitude, latitude) that stands for a geometry on a map.

    A point itself, the middle of a line's longest part along its length, the middle of a polygon's box. Codes that
    imports make hold it, so that it is reckoned as ever: on the sphere.
    """
    parts = lines(geometry)
    if not parts:
        first = next(positions(geometry))
        return first[0], first[1]
    if geometry["type"] in ("Polygon", "MultiPolygon"):
        west, south, east, north = box_of(geometry)
        return (west + east) / 2, (south + north) / 2
    return _middle(max(parts, key=_length_on_sphere))


def _length_on_sphere(line: Sequence[Position]) -> float:
    return sum(metres_between(one, other) for one, other in pairwise(line))


def _middle(line: Sequence[Position]) -> tuple[float, float]:
    left = _length_on_sphere(line) / 2
    for one, other in pairwise(line):
        step = metres_between(one, other)
        if step >= left and step > 0:
            part = left / step
            return one[0] + (other[0] - one[0]) * part, one[1] + (other[1] - one[1]) * part
        left -= step
    return line[-1][0], line[-1][1]


def cells_of_box(box: Box) -> set[int]:
    """Numbers of the cells (0.001° squares) that a box touches. Raises TooLarge past ``MOST_CELLS``."""
    west, south, east, north = (floor(each / CELL_DEG + 1e-9) for each in box)
    if (east - west + 1) * (north - south + 1) > MOST_CELLS:
        raise TooLarge(f"The box {box} is too large.", field="geometry")
    return {_cell(x, y) for x in range(west, east + 1) for y in range(south, north + 1)}


def cells_along(box: Box) -> list[tuple[int, int]]:
    """The cells that the outline of a box touches, as ranges of numbers (first, last)."""
    west, south, east, north = (floor(each / CELL_DEG + 1e-9) for each in box)
    sides = [(_cell(x, y), _cell(x, y)) for y in range(south + 1, north) for x in {west, east}]
    return [(_cell(west, y), _cell(east, y)) for y in {south, north}] + sides


def _cell(x: int, y: int) -> int:
    return (y + 90_000) * CELLS_ROUND + x + 180_000


def cells_of(geometry: Geometry) -> set[int]:
    """Numbers of the cells that a geometry touches; for a polygon, those of its box."""
    if geometry["type"] in ("Polygon", "MultiPolygon"):
        return cells_of_box(box_of(geometry))
    cells: set[int] = set()
    for piece in _pieces(geometry):
        cells |= cells_of_box(piece)
        if len(cells) > MOST_CELLS:
            raise TooLarge("The geometry is longer than a city.", field="geometry")
    return cells


def _pieces(geometry: Geometry) -> Iterator[Box]:
    """Boxes, none longer than a cell, that together hold a line or points."""
    if not lines(geometry):
        for place in positions(geometry):
            yield place[0], place[1], place[0], place[1]
    for (x1, y1, *_), (x2, y2, *_) in segments(geometry):
        steps = max(1, ceil(max(abs(x2 - x1), abs(y2 - y1)) / CELL_DEG))
        if steps > MOST_CELLS:
            raise TooLarge("The geometry is longer than a city.", field="geometry")
        for step in range(steps):
            xa, ya = x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
            xb, yb = x1 + (x2 - x1) * (step + 1) / steps, y1 + (y2 - y1) * (step + 1) / steps
            yield min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def quadkey(longitude: float, latitude: float) -> int:
    """The Morton code (40 bits) of the web-mercator tile of level 20 that holds a place.

    A tile of level n holds one unbroken range of them: ``quadkey >> 2 * (20 - n)`` is its own number.
    """
    return interleaved(*tile_of(longitude, latitude, FINEST))


def quadkeys_about(longitude: float, latitude: float, radius_m: float) -> set[int]:
    """The quadkeys of all places within a few metres."""
    west, south, east, north = box_around(longitude, latitude, radius_m)
    return {quadkey(x, y) for x in (west, east) for y in (south, north)}


def tile_of(longitude: float, latitude: float, level: int) -> tuple[int, int]:
    """Column and row of the web-mercator tile that holds a place."""
    side = 1 << level
    bounded = radians(max(-MERCATOR_END, min(MERCATOR_END, latitude)))
    column, row = (longitude + 180) / 360 * side, (1 - asinh(tan(bounded)) / pi) / 2 * side
    return max(0, min(side - 1, floor(column))), max(0, min(side - 1, floor(row)))


def interleaved(column: int, row: int) -> int:
    """The number of a tile: the bits of its row and its column in turns."""
    return _spread(row) << 1 | _spread(column)


def _spread(number: int) -> int:
    """The lower 32 bits of a number with a zero between each two."""
    for shift, mask in SPREADING:
        number = (number | number << shift) & mask
    return number


SPREADING = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def quadkey_ranges(box: Box) -> list[tuple[int, int]]:
    """Few ranges (first, last) of quadkeys that together hold every place of a box, and some beyond it."""
    level = next(each for each in range(FINEST, -1, -1) if _tiles_across(box, each) <= MOST_TILES)
    (west, north), (east, south) = tile_of(box[0], box[3], level), tile_of(box[2], box[1], level)
    shift = 2 * (FINEST - level)
    numbers = sorted(interleaved(x, y) for x in range(west, east + 1) for y in range(north, south + 1))
    starts = [n for n, before in zip(numbers, [-1, *numbers], strict=False) if n != before + 1 or n == 0]
    ends = [n for n, after in zip(numbers, [*numbers[1:], -1], strict=True) if n + 1 != after]
    return [(start << shift, (end + 1 << shift) - 1) for start, end in zip(starts, ends, strict=True)]


def _tiles_across(box: Box, level: int) -> int:
    """How many tiles of a level a box touches."""
    (west, north), (east, south) = tile_of(box[0], box[3], level), tile_of(box[2], box[1], level)
    return (east - west + 1) * (south - north + 1)
