"""Finding facilities, tiles and exports, alike on both engines."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import eventlet
import mapbox_vector_tile
import pytest

from services.assets import figures, queries
from services.assets.domain import geometry as geo
from services.assets.domain.facilities import Action
from services.assets.domain.network import NotOfTheNetwork, Way
from services.assets.domain.tiles import Tile
from services.assets.sample import load_sample
from services.assets.service import Assets
from services.assets.use_cases import (
    act_on_facility,
    join_pipes,
    register_facilities,
    renumber_facility,
    revise_facility,
)
from shared import tallies
from shared.db import Database
from shared.lists import exports
from shared.lists.exports import Export
from tests.integration.databases import ENGINES, migrated

PLACE = (24.9414, 60.1699)
DRAFTS: list[dict[str, Any]] = [
    {
        "code": f"3201{n:04}",
        "kind": "manhole",
        "name": name,
        "street": "中山路" if n % 2 else "Unioninkatu",
        "geometry": {"type": "Point", "coordinates": [120.0 + n / 10_000, 31.0]},
        "attributes": {"network": "storm", "depth_m": n / 2, "anti_fall_net": n == 1, "note": f"n{n}, 100%"},
        "owner": "Owner A",
    }
    for n, name in enumerate(("雨水井", "Manhole 100%", "污水井三号", "Cover_4"))
]


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as made:
        load_sample(made)
        with made.begin() as session:
            register_facilities(session, DRAFTS, who="test")
            act_on_facility(session, "32010003", action=Action.RETIRE, who="test", expected=None)
        yield made


def codes(database: Database, **asked: Any) -> list[str]:
    with database.read() as session:
        return [each.code for each in queries.list_facilities(session, limit=1_000, **asked).items]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"code": "3201"}, [0, 1, 2]),
        ({"code": "3201", "condition": ["retired"]}, [3]),
        ({"q": "中山"}, [1]),
        ({"q": "三号"}, [2]),
        ({"q": "100%"}, [1]),
        ({"q": "010002"}, [2]),
        ({"attributes": {"network": "storm", "depth_m": "0.5"}}, [1]),
        ({"attributes": {"anti_fall_net": "true"}}, [1]),
        ({"attributes": {"anti_fall_net": "false"}, "owner": "Owner A"}, [0, 2]),
        ({"attributes": {"note": "n2, 100%"}}, [2]),
        ({"attributes": {"anti_fall_net": "1"}}, []),
        ({"attributes": {'"': "x"}}, []),
        ({"kind": ["manhole", "inlet"], "bbox": (119.9, 30.9, 120.00015, 31.1)}, [0, 1]),
        ({"near": (120.0001, 31.0, 1_000.0), "q": "井"}, [0, 2]),
        ({"near": (120.00021, 31.0, 12.0)}, [2, 1]),
    ],
)  # fmt: skip
def test_facilities_are_found(database: Database, asked: dict[str, Any], found: list[int]) -> None:
    assert codes(database, **asked) == [f"3201{n:04}" for n in found]


def in_pages(database: Database, limit: int, **asked: Any) -> list[str]:
    found, cursor = [], None
    with database.read() as session:
        while True:
            page = queries.list_facilities(session, limit=limit, cursor=cursor, **asked)
            found += [each.code for each in page.items]
            if (cursor := page.next) is None:
                return found


def test_pages_follow_each_other_through_what_many_have_and_through_what_few_have(database: Database) -> None:
    with database.read() as session:
        standing = list(queries.every_facility(session))
    of = {"footway", "carriageway", "street_light"}
    for asked, fits in (
        ({"kind": ["footway"]}, lambda each: each["kind"] == "footway"),
        ({"kind": sorted(of)}, lambda each: each["kind"] in of),
        ({"attributes": {"lanes": "2"}}, lambda each: each["attributes"].get("lanes") in ("2", 2)),
        ({"attributes": {"surface": "asphalt"}}, lambda each: each["attributes"].get("surface") == "asphalt"),
    ):
        pages = in_pages(database, 100, **asked)
        assert pages == [each["code"] for each in standing if fits(each)]
        assert len(set(pages)) == len(pages) > 100


def test_an_attribute_with_the_longest_name_is_found_on_any_kind_that_gets_it_later(database: Database) -> None:
    long = "x" * 2_000
    with database.begin() as session:
        revise_facility(session, "32010001", who="test", expected=None, attributes={long: "y", "z": "1"})
        revise_facility(session, "32010000", who="test", expected=None, attributes={long: "n"})
    assert codes(database, attributes={long: "y"}) == codes(database, attributes={long: "y", "z": "1"}) == ["32010001"]
    assert codes(database, attributes={long: "y"}, kind=["inlet"]) == []
    with database.begin() as session:
        for code in ("32010000", "32010001"):
            draft = next(each for each in DRAFTS if each["code"] == code)
            revise_facility(session, code, who="test", expected=None, attributes=draft["attributes"])


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, lambda each: True),
        ({"kind": ["footway"]}, lambda each: each.kind == "footway"),
        ({"kind": ["footway", "street_light"]}, lambda each: each.kind in ("footway", "street_light")),
        ({"attributes": {"surface": "asphalt"}}, lambda each: each.attributes.get("surface") == "asphalt"),
    ],
)
def test_a_box_lists_all_that_meets_it_once_on_pages_of_any_size(
    database: Database, asked: dict[str, Any], fits: Callable[[Any], bool]
) -> None:
    chance = random.Random(3)
    with database.read() as session:
        standing = [each for each in queries.every_facility(session) if fits(each)]
    seen = 0
    for metres in (5.0, 40.0, 150.0, 400.0, 1_500.0, 300_000.0):
        east, north = (chance.uniform(-0.004, 0.004) for _ in "xy")
        box = geo.box_around(PLACE[0] + east, PLACE[1] + north, metres)
        meeting = {each.code for each in standing if geo.overlap((each.west, each.south, each.east, each.north), box)}
        few, many = (in_pages(database, limit, bbox=box, **asked) for limit in (3 if len(meeting) < 200 else 61, 1_000))
        assert few == many
        assert len(few) == len(meeting)
        assert set(few) == meeting
        seen += len(meeting)
    assert seen > 200


def test_a_tile_of_any_zoom_shows_every_facility_there_once_and_is_light(database: Database) -> None:
    for z in range(21):
        x, y = geo.tile_of(*PLACE, z)
        with database.read() as session:
            body = queries.draw_tile(session, z=z, x=x, y=y)
        read = mapbox_vector_tile.decode(body)
        assert len(body) < 500_000
        features = [each for layer in read.values() for each in layer["features"]]
        if z < 9:  # Helsinki and 3 manholes far away, which lie in other tiles from zoom 2 on
            count = sum(each["properties"]["count"] for each in features)
            assert count == (3_033 if z < 2 else 3_030)
    assert {each["properties"]["condition"] for each in features} == {"intact"}


def test_a_tile_shows_only_what_is_asked_for(database: Database) -> None:
    for z in (10, 13, 15):
        x, y = geo.tile_of(*PLACE, z)
        with database.read() as session:
            lamps = mapbox_vector_tile.decode(queries.draw_tile(session, z=z, x=x, y=y, kind=["street_light"]))
            assert queries.draw_tile(session, z=z, x=x, y=y, condition=["defective"]) == b""
        for layer in lamps.values():
            for each in layer["features"]:
                shown = each["properties"]
                assert shown.get("kind", "street_light") == "street_light"
                assert shown.get("count") == shown.get("street_light")


def test_the_sums_of_the_map_equal_a_recount(database: Database) -> None:
    with database.read() as session:
        recounted = figures.recount(session)
        assert {figure: tallies.read(session, figure) for figure in recounted} == recounted
        assert sum(recounted["tiles.12"].values()) == sum(recounted["tiles.15"].values()) == 3_033


def test_a_point_near_an_edge_is_drawn_in_the_tile_beside_too(database: Database) -> None:
    z, (x, y) = 18, geo.tile_of(121.0, 31.5, 18)
    west, south, _, north = Tile(z, x, y).box
    side = Tile(z, x, y).box[2] - west
    for code, parts in (("EDGE-NEAR", 1 / 100), ("EDGE-FAR", 1 / 50)):
        registered(
            database,
            node(code, 0) | {"geometry": {"type": "Point", "coordinates": [west - parts * side, (south + north) / 2]}},
        )
    with database.read() as session:
        tiles = [mapbox_vector_tile.decode(queries.draw_tile(session, z=z, x=each, y=y)) for each in (x - 1, x)]
    drawn = [{each["properties"]["code"] for each in tile["facilities"]["features"]} for tile in tiles]
    assert drawn == [{"EDGE-NEAR", "EDGE-FAR"}, {"EDGE-NEAR"}]


def export_of(database: Database, **arguments: str) -> Export:
    return Export("services.assets.exports", database, {"arguments": arguments, "zone": "Europe/Helsinki"})


def exported(database: Database, **arguments: str) -> bytes:
    export = export_of(database, **arguments)
    try:
        return b"".join(export)
    finally:
        export.close()


def test_an_export_holds_what_the_search_finds_in_a_process_of_its_own(database: Database) -> None:
    found = codes(database, code="3201", condition=["intact", "retired"])
    text = exported(database, code="3201", condition="intact,retired").decode("utf-8-sig")
    assert [row["code"] for row in csv.DictReader(io.StringIO(text, newline=""))] == found


def test_who_reads_an_export_slowly_keeps_no_place(database: Database) -> None:
    slow = [export_of(database, format="csv") for _ in range(exports.AT_ONCE)]
    read = [next(iter(each)) for each in slow]
    with eventlet.Timeout(60):
        while exports._places.balance < exports.AT_ONCE:
            eventlet.sleep(0.05)
    assert exported(database, format="csv").startswith(read[0])
    for each in slow:
        each.close()
    assert exports._places.balance == exports.AT_ONCE


def test_an_export_that_nobody_reads_to_its_end_leaves_no_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    export = export_of(database, format="gpkg")
    assert next(iter(export)).startswith(b"SQLite format 3")
    assert list(tmp_path.rglob("export"))
    export.close()
    assert not list(tmp_path.iterdir())


def test_pipes_meet_manholes_again_when_one_is_moved_or_retired(database: Database) -> None:
    ends = [[120.01, 31.0], [120.011, 31.0], [120.012, 31.0]]
    drafts: list[dict[str, Any]] = [
        {"code": f"N-{n}", "kind": "manhole", "district": "D", "geometry": {"type": "Point", "coordinates": place}}
        for n, place in enumerate(ends)
    ] + [
        {
            "code": f"P-{n}",
            "kind": "drain_pipe",
            "district": "D",
            "geometry": {"type": "LineString", "coordinates": ends[n : n + 2]},
        }
        for n in range(2)
    ]
    with database.begin() as session:
        register_facilities(session, drafts, who="test")
    assert walked(database, Way.DOWNSTREAM, "N-0") == ["N-0", "P-0", "N-1", "P-1", "N-2"]
    assert walked(database, Way.UPSTREAM, "P-1") == ["P-1", "N-1", "P-0", "N-0"]
    aside = {"type": "Point", "coordinates": [120.01105, 31.0]}
    with database.begin() as session:
        revise_facility(session, "N-1", who="test", expected=None, geometry=aside)
    assert walked(database, Way.DOWNSTREAM, "N-0") == ["N-0", "P-0"]
    with database.read() as session:
        gaps = queries.list_gaps(session, limit=10, within=5.0, district="D").items
    assert [(each.code, each.way, round(each.distance_m)) for each in gaps] == [
        ("P-0", "downstream", 5), ("P-1", "upstream", 5),
    ]  # fmt: skip
    with database.begin() as session:
        revise_facility(session, "N-1", who="test", expected=None, geometry=drafts[1]["geometry"])
        act_on_facility(session, "P-1", action=Action.RETIRE, who="test", expected=None)
    assert walked(database, Way.DOWNSTREAM, "N-0") == ["N-0", "P-0", "N-1"]


def node(code: str, east: float, kind: str = "manhole", **more: Any) -> dict[str, Any]:
    return {"code": code, "kind": kind, "geometry": {"type": "Point", "coordinates": [east, 31.1]}} | more


def pipe(code: str, west: float, east: float, **more: Any) -> dict[str, Any]:
    line = {"type": "LineString", "coordinates": [[west, 31.1], [east, 31.1]]}
    return {"code": code, "kind": "drain_pipe", "geometry": line} | more


def registered(database: Database, *drafts: dict[str, Any]) -> None:
    with database.begin() as session:
        register_facilities(session, drafts, who="test")


def test_a_ring_comes_by_each_pipe_once_also_when_it_begins_at_one(database: Database) -> None:
    west, east = 120.1, 120.101
    registered(database, node("RN-0", west), node("RN-1", east), pipe("RP-0", west, east), pipe("RP-1", east, west))
    assert walked(database, Way.DOWNSTREAM, "RP-0") == ["RP-0", "RN-1", "RP-1", "RN-0"]
    assert walked(database, Way.UPSTREAM, "RP-0") == ["RP-0", "RN-0", "RP-1", "RN-1"]


def test_what_stands_within_the_tolerance_of_a_node_goes_on_from_it(database: Database) -> None:
    """A manhole and an inlet 0.45 m apart, and a dry manhole between them that no water enters."""
    here, beside = 120.2, 120.2 + 0.45 / 95_300
    registered(
        database,
        node("BM-0", here - 0.001), node("BM-1", here), node("BI-1", beside, "inlet"), node("BM-2", here + 0.001),
        node("BG-1", here + 0.2 / 95_300, attributes={"network": "gas"}),
        pipe("BP-0", here - 0.001, here), pipe("BP-1", beside, here + 0.001),
    )  # fmt: skip
    down, whole = walked(database, Way.DOWNSTREAM, "BM-0"), ["BI-1", "BM-0", "BM-1", "BM-2", "BP-0", "BP-1"]
    assert (sorted(down), down[-2:]) == (whole, ["BP-1", "BM-2"])
    up = walked(database, Way.UPSTREAM, "BP-1")
    assert (sorted(up), up[-2:]) == (whole[:3] + whole[4:], ["BP-0", "BM-0"])
    assert walked(database, Way.DOWNSTREAM, "BM-1") == ["BM-1", "BI-1", "BP-1", "BM-2"]


def test_renumbered_manholes_keep_the_flow_and_old_codes_find_where_to_begin(database: Database) -> None:
    west, east = 120.3, 120.301
    names = {"attributes": {"from": "CN-1", "to": "CN-0"}}
    registered(database, node("CN-0", west), node("CN-1", east), pipe("CP-0", west, east, **names))
    assert walked(database, Way.DOWNSTREAM, "CN-1") == ["CN-1", "CP-0", "CN-0"]
    for code in ("CN-0", "CN-1", "CP-0"):
        with database.begin() as session:
            renumber_facility(session, code, new_code=f"{code}-NEW", who="test", expected=None, reason="survey")
    for code in ("CN-1", "CN-1-NEW"):
        assert walked(database, Way.DOWNSTREAM, code) == ["CN-1-NEW", "CP-0-NEW", "CN-0-NEW"]
    assert walked(database, Way.UPSTREAM, "CP-0")[0] == "CP-0-NEW"


@pytest.mark.parametrize("code", ["DP-0", "DN-0"])
def test_what_is_retired_is_no_part_of_the_network(database: Database, code: str) -> None:
    if not codes(database, code="D", condition=["intact", "retired"], kind=["drain_pipe"]):
        registered(database, node("DN-0", 120.4), pipe("DP-0", 120.4, 120.401))
        for each in ("DP-0", "DN-0"):
            with database.begin() as session:
                act_on_facility(session, each, action=Action.RETIRE, who="test", expected=None)
    with pytest.raises(NotOfTheNetwork, match="retired"):
        walked(database, Way.DOWNSTREAM, code)


def walked(database: Database, way: Way, code: str) -> list[str]:
    with database.begin() as session:
        while join_pipes(session):
            pass
    with database.read() as session:
        found = queries.walk_network(session, way=way, code=code, depth=10)
    return [each["code"] for each in found["items"]]
