"""Map tiles: their numbers, what is drawn in them, and that they can be read by others."""

from __future__ import annotations

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import new_facility
from services.assets.domain.standings import standing_of
from services.assets.domain.sums import Part, contributions
from services.assets.domain.tiles import LEVELS, Tile, UnknownTile, column_row, figure, text_of
from services.assets.vector_tiles import EXTENT, Feature, encode, fitted, on_grid, point
from shared import clock

WORLD = st.tuples(st.floats(-180, 179.99), st.floats(-85, 85))


@given(WORLD, st.integers(0, 20))
def test_a_place_lies_in_the_tile_whose_range_holds_its_quadkey(place: tuple[float, float], z: int) -> None:
    tile = Tile(z, *geo.tile_of(*place, z))
    assert tile.first <= geo.quadkey(*place) <= tile.last
    west, south, east, north = tile.box
    assert west - 1e-9 <= place[0] <= east + 1e-9
    assert south - 1e-9 <= place[1] <= north + 1e-9
    assert int(text_of(tile.first, z) or "0", 4) == geo.interleaved(tile.x, tile.y)
    assert column_row(geo.interleaved(tile.x, tile.y)) == (tile.x, tile.y)


@pytest.mark.parametrize("wrong", [(-1, 0, 0), (21, 0, 0), (3, 8, 0), (3, 0, 8), (0, 1, 0), (3, -1, 2)])
def test_there_is_no_tile_outside_the_world(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(UnknownTile):
        Tile(*wrong)


def test_a_facility_counts_once_on_each_level_until_it_is_retired() -> None:
    geometry = {"type": "Point", "coordinates": [24.94, 60.17]}
    lamp = new_facility(the_catalogue(), code="L", kind="street_light", geometry=geometry, at=clock.now())
    stands = Part(1, standing_of(lamp), None, lamp.quadkey)
    gone = stands._replace(standing=stands.standing._replace(condition="retired"))
    assert {
        name: (len(labels[0]), labels[1:], n) for name, labels, n in contributions([stands]) if "tiles" in name
    } == {figure(level): (level, ("street_light", "intact"), 1) for level in LEVELS}
    assert not [name for name, *_ in contributions([gone]) if "tiles" in name]


def test_the_corners_of_a_tile_are_the_corners_of_its_grid() -> None:
    tile = Tile(14, 9327, 4742)
    west, south, east, north = tile.box
    corners = on_grid(np.array([(west, north), (east, south)]), 14, 9327, 4742)
    assert corners.ravel().tolist() == pytest.approx([0, 0, EXTENT, EXTENT], abs=1e-3)


def test_shapes_are_cut_off_outside_the_tile_simplified_and_read_back_by_the_library() -> None:
    ring = [(0, 0), (9000, 0), (9000, 1000), (500, 1001), (0, 1000), (0, 0)]
    shapes = [
        shapely.LineString([(-500, 100), (2000, 100), (2001, 101), (9000, 100)]),
        shapely.Polygon(ring, [[(100, 100), (100, 200), (200, 200), (200, 100)]]),
        shapely.MultiPoint([(5, 6), (7, 8)]),
        shapely.LineString([(9000, 9000), (9999, 9999)]),
    ]
    features = [Feature(n, shape, {"code": "a"}) for n, shape in enumerate(fitted(np.array(shapes)))]
    body = encode({"facilities": [*features, Feature(9, point(3.4, 4.6), {"n": 7})], "nothing": []})
    read = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})
    assert list(read) == ["facilities"]
    shown = {each["id"]: (each["geometry"], each["properties"]) for each in read["facilities"]["features"]}
    assert shown.keys() == {0, 1, 2, 9}
    assert shown[0][0]["coordinates"] == [[-64, 100], [EXTENT + 64, 100]]
    assert [len(ring) for ring in shown[1][0]["coordinates"]] == [5, 5]
    assert shown[2][0] == {"type": "MultiPoint", "coordinates": [[5, 6], [7, 8]]}
    assert shown[9] == ({"type": "Point", "coordinates": [3, 5]}, {"n": 7})
