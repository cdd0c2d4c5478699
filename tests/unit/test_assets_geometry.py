"""Geometry on the earth, as the registry uses it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assets.domain import geometry as geo

OUTER = [[24.0, 60.0], [24.01, 60.0], [24.01, 60.01], [24.0, 60.01], [24.0, 60.0]]
INNER = [[24.004, 60.004], [24.006, 60.004], [24.006, 60.006], [24.004, 60.006], [24.004, 60.004]]
SQUARE = {"type": "Polygon", "coordinates": [OUTER]}
HOLED = {"type": "Polygon", "coordinates": [OUTER, INNER]}
longitudes = st.floats(24.9, 25.0)
latitudes = st.floats(60.1, 60.2)
places = st.tuples(longitudes, latitudes)
routes = st.lists(places, min_size=2, max_size=6)


def line(*route: tuple[float, float]) -> geo.Geometry:
    return {"type": "LineString", "coordinates": [list(each) for each in route]}


@pytest.mark.parametrize(
    ("ends", "length"),  # of arcs of WGS 84's meridian, parallels and equator, by the ellipsoid's own formulas
    [
        (((0, 0), (1, 0)), 111_319.491),
        (((24, 0), (24, 1)), 110_574.389),
        (((24, 60), (24, 61)), 111_420.7),
        (((24.94, 60.17), (24.941, 60.17)), 55.513),
        (((24.94, 60.17), (24.94, 60.171)), 111.415),
    ],
)
def test_a_length_is_measured_on_the_ellipsoid(ends: tuple[Any, Any], length: float) -> None:
    assert geo.length_m(line(*ends)) == pytest.approx(length, rel=1e-4)


def test_the_area_of_a_small_square_is_its_sides_multiplied() -> None:
    north, east = (geo.length_m(line(*ends)) for ends in (((24, 60), (24, 60.01)), ((24, 60.005), (24.01, 60.005))))
    assert geo.area_m2(SQUARE) == pytest.approx(north * east, rel=1e-5)


def test_the_place_that_stands_for_a_line_is_as_ever() -> None:
    """Codes that imports made hold it."""
    found = geo.anchor(line((24.9401, 60.1701), (24.9431, 60.1711), (24.9434, 60.1751)))
    assert found == pytest.approx((24.94318268412213, 60.17220245496176), abs=1e-12)


def test_a_hole_takes_its_area_away() -> None:
    assert geo.area_m2(HOLED) == pytest.approx(geo.area_m2(SQUARE) * 0.96, rel=1e-4)


def test_points_and_lines_have_no_area() -> None:
    assert geo.area_m2(line((24, 60), (25, 60))) == 0


def test_a_place_in_a_hole_is_not_inside() -> None:
    assert geo.contains(HOLED, 24.002, 60.002)
    assert not geo.contains(HOLED, 24.005, 60.005)
    assert not geo.contains(HOLED, 24.02, 60.005)


def test_the_distance_to_a_line_is_that_to_its_nearest_point_not_to_its_ends() -> None:
    road = line((24.90, 60.17), (24.92, 60.17))
    assert geo.metres_from(road, 24.91, 60.1701) == pytest.approx(11.1, abs=0.1)


def test_the_distance_to_a_polygon_is_zero_inside() -> None:
    assert geo.metres_from(SQUARE, 24.005, 60.005) == 0
    assert geo.metres_from(SQUARE, 24.005, 60.0109) == pytest.approx(100, abs=1)


def test_the_anchor_of_a_line_is_the_middle_of_its_length() -> None:
    assert geo.anchor(line((24.0, 60.0), (24.0, 60.01), (24.0, 60.04))) == pytest.approx((24.0, 60.02))


@given(routes)
def test_the_anchor_of_a_line_lies_on_it(route: list[tuple[float, float]]) -> None:
    assert geo.metres_from(line(*route), *geo.anchor(line(*route))) < 0.5


@given(routes, st.floats(0, 1))
def test_the_cells_of_a_line_hold_every_place_on_it(route: list[tuple[float, float]], part: float) -> None:
    (x1, y1), (x2, y2) = route[:2]
    x, y = x1 + (x2 - x1) * part, y1 + (y2 - y1) * part
    assert geo.cells_of_box((x - 1e-9, y - 1e-9, x + 1e-9, y + 1e-9)) & geo.cells_of(line(*route))


@given(places, places, st.floats(1, 100))
def test_what_is_within_the_radius_shares_a_cell_with_the_box_around(
    one: tuple[float, float], other: tuple[float, float], radius_m: float
) -> None:
    near = geo.metres_between(one, other) <= radius_m
    point = {"type": "Point", "coordinates": list(other)}
    assert not near or geo.cells_of(point) & geo.cells_of_box(geo.box_around(*one, radius_m))


@given(places, st.floats(0, 3_000), st.floats(-1, 1), st.floats(-1, 1))
def test_the_ranges_of_a_box_hold_the_quadkey_of_every_place_in_it(
    middle: tuple[float, float], radius_m: float, east: float, north: float
) -> None:
    box = geo.box_around(*middle, radius_m)
    x = middle[0] + (box[2] - box[0]) / 2 * east
    y = middle[1] + (box[3] - box[1]) / 2 * north
    place = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    ranges = geo.quadkey_ranges(box)
    assert any(first <= geo.quadkey(*place) <= last for first, last in ranges)
    assert len(ranges) <= geo.MOST_TILES


def test_a_quadkey_begins_with_those_of_the_larger_tiles_around() -> None:
    assert geo.quadkey(-180, 90) == 0
    assert geo.quadkey(180, -90) == 4**geo.FINEST - 1
    assert geo.quadkey(24.94, 60.17) >> 2 * (geo.FINEST - 1) == 1  # the north-eastern quarter of the map


def test_a_geometry_around_the_globe_is_refused() -> None:
    with pytest.raises(geo.TooLarge):
        geo.cells_of(line((-179, -80), (179, 80)))
    with pytest.raises(geo.TooLarge):
        geo.cells_of({"type": "Polygon", "coordinates": [[[-179, -80], [179, -80], [179, 80], [-179, -80]]]})
