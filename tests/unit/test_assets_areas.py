"""Areas: which of them hold a place, and how facilities follow when they are drawn or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, shape
from sqlalchemy import delete, select

from deploy.migrations import migrate
from services.assets import figures, queries, use_cases
from services.assets.domain.areas import MOST_POINTS, CrossesItself, Level, NoPolygon, new_area, outline
from services.assets.domain.division import Division, Drawn
from services.assets.domain.geometry import TooLarge
from services.assets.tables import area_sweeps, facilities, mapping, past_standings
from services.assets.use_cases.area_files import read_areas
from services.assets.use_cases.areas import tell_districts
from services.assets.use_cases.sweeps import waiting_sweeps
from shared import clock, tallies
from shared.db import Database, kernel
from shared.events.assets import AreaChanged
from shared.outbox import outbox


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def drawn(code: str, geometry: dict[str, Any], level: Level = Level.DISTRICT, parent: str | None = None) -> Drawn:
    return Drawn(level, code, parent, json.dumps(geometry))


def holder(areas: list[Drawn], *places: tuple[float, float], level: Level = Level.DISTRICT) -> list[str | None]:
    longitudes, latitudes = zip(*places, strict=True)
    return list(Division(areas).of(longitudes, latitudes).get(level, []))


def test_of_areas_that_overlap_the_first_by_code_holds_a_place() -> None:
    areas = [drawn("b", box(0, 0, 2, 2)), drawn("a", box(1, 0, 3, 2))]
    assert holder(areas, (0.5, 1), (1.5, 1), (2.5, 1), (9, 9)) == ["b", "a", "a", None]


def test_a_place_on_a_border_is_in_the_first_by_code_of_both_sides() -> None:
    areas = [drawn("west", box(0, 0, 1, 1)), drawn("east", box(1, 0, 2, 1))]
    assert holder(areas, (1, 0.5), (0, 0), (2, 1)) == ["east", "west", "east"]


def test_a_hole_is_not_in_the_area_and_every_part_is() -> None:
    holed = box(0, 0, 4, 4)
    holed["coordinates"].append(box(1, 1, 3, 3)["coordinates"][0])
    parts = {
        "type": "MultiPolygon",
        "coordinates": [box(10, 0, 11, 1)["coordinates"], box(20, 0, 21, 1)["coordinates"]],
    }
    areas = [drawn("holed", holed), drawn("parts", parts)]
    assert holder(areas, (2, 2), (0.5, 2), (10.5, 0.5), (20.5, 0.5)) == [None, "holed", "parts", "parts"]


def test_a_grid_cell_says_its_large_one_where_none_is_drawn() -> None:
    cells = [drawn("G-1", box(0, 0, 1, 1), Level.GRID, "LG-1"), drawn("G-2", box(1, 0, 2, 1), Level.GRID)]
    large = drawn("LG-9", box(0, 0, 0.5, 1), Level.LARGE_GRID)
    places = (0.2, 0.5), (0.7, 0.5), (1.5, 0.5)
    assert holder(cells, *places, level=Level.LARGE_GRID) == ["LG-1", "LG-1", None]
    assert holder([*cells, large], *places, level=Level.LARGE_GRID) == ["LG-9", "LG-1", None]


@pytest.mark.parametrize(
    ("geometry", "refusal"),
    [
        ({"type": "Point", "coordinates": [24.9, 60.1]}, NoPolygon),
        ({"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 1.5], [0, 0]]]}, CrossesItself),
        (box(-180, -80, 180, 80), TooLarge),
    ],
)
def test_what_is_no_area_of_a_city_is_refused(geometry: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        new_area(level=Level.DISTRICT, code="d", geometry=geometry, at=clock.now())


def test_a_file_of_polygons_is_read_as_areas_row_by_row(tmp_path: Path) -> None:
    bow = {"type": "Polygon", "coordinates": [[[24.9, 60.1], [25.0, 60.2], [25.0, 60.1], [24.9, 60.2], [24.9, 60.1]]]}
    rows = [
        ({"编码": "G-1", "名称": "Harbour", "责任人": "Li Na", "联系电话": 5551234}, box(24.9, 60.1, 25.0, 60.2)),
        ({"编码": "G-2", "名称": "Crossed"}, bow),
        ({"编码": "G-3", "名称": "A point"}, {"type": "Point", "coordinates": [24.9, 60.1]}),
        ({"名称": "No code"}, box(24.9, 60.1, 25.0, 60.2)),
    ]
    file = tmp_path / "cells.geojson"
    features = [{"type": "Feature", "properties": props, "geometry": shape} for props, shape in rows]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = read_areas(file, file.name, {})
    assert [(each["code"], each.get("responsible_name")) for each in found.drafts] == [("G-1", "Li Na"), ("G-2", None)]
    assert found.drafts[0]["responsible_phone"] == "5551234"
    assert [(each["line"], each["rule"]) for each in found.rejects] == [(3, "no-polygon"), (4, "no-code")]
    assert found.repaired == 1


# Following


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('areas')}/assets.sqlite", connections=2)
    migrate(database.engine, "assets", mapping.metadata)
    yield database
    database.close()


@pytest.fixture
def db(one_db: Database) -> Database:
    return emptied(one_db)


def emptied(database: Database) -> Database:
    with database.begin() as session:
        for table in reversed([*kernel.sorted_tables, *mapping.metadata.sorted_tables]):
            session.execute(delete(table))
    return database


WEST, EAST, BOTH = box(24.90, 60.10, 24.95, 60.20), box(24.95, 60.10, 25.00, 60.20), box(24.90, 60.10, 25.00, 60.20)


def draw(db: Database, code: str, geometry: dict[str, Any], level: Level = Level.DISTRICT, **more: Any) -> None:
    with db.begin() as session:
        use_cases.add_area(session, level=level, code=code, geometry=geometry, who="ada", **more)


def sweep(db: Database) -> None:
    """Let facilities follow every change of areas."""
    more = True
    while more:
        with db.begin() as session:
            more = use_cases.sweep_areas(session)


def redraw(db: Database, code: str, level: Level = Level.DISTRICT, **changes: Any) -> None:
    with db.begin() as session:
        use_cases.change_area(session, level=level, code=code, changes=changes, expected=None, who="ada")


def lamp(db: Database, code: str, longitude: float, **named: Any) -> None:
    draft = {"code": code, "kind": "street_light", "geometry": {"type": "Point", "coordinates": [longitude, 60.15]}}
    with db.begin() as session:
        use_cases.register_facilities(session, [{**draft, **named}], who="ada")


def stands(db: Database, code: str, level: Level = Level.DISTRICT) -> Any:
    with db.read() as session:
        return session.scalar(select(facilities.c[level]).where(facilities.c.code == code))


def the_sums_are_right(db: Database) -> None:
    with db.read() as session:
        for figure, counted in figures.recount(session).items():
            assert tallies.read(session, figure) == {key: n for key, n in counted.items() if n}, figure


def test_facilities_fall_into_a_district_that_is_drawn_after_them(db: Database) -> None:
    lamp(db, "L-1", 24.93)
    lamp(db, "L-2", 24.97)
    draw(db, "west", WEST)
    sweep(db)
    assert (stands(db, "L-1"), stands(db, "L-2")) == ("west", None)
    with db.read() as session:
        assert waiting_sweeps(session) == 0
        assert [row.district for row in session.execute(select(past_standings))] == [None]
        deed = queries.list_history(session, "L-1", limit=9).items[-1]
        assert (deed.what, deed.who, deed.details["changes"]) == ("changed", "ada", {"district": [None, "west"]})
    the_sums_are_right(db)


def test_facilities_follow_a_district_that_is_redrawn_and_those_that_named_another_do_not(db: Database) -> None:
    draw(db, "west", WEST)
    draw(db, "east", EAST)
    lamp(db, "lies", 24.97)
    lamp(db, "named", 24.97, district="west")
    lamp(db, "elsewhere", 24.97, district="not drawn")
    redraw(db, "east", geometry=box(25.5, 60.1, 25.6, 60.2))
    redraw(db, "west", geometry=BOTH)
    sweep(db)
    assert [stands(db, code) for code in ("lies", "named", "elsewhere")] == ["west", "west", "not drawn"]
    redraw(db, "west", geometry=WEST)
    sweep(db)
    assert stands(db, "lies") is None
    the_sums_are_right(db)


def test_a_name_alone_moves_nobody(db: Database) -> None:
    draw(db, "west", WEST)
    sweep(db)
    redraw(db, "west", name="West End", responsible_name="Li Na", responsible_phone="555")
    with db.read() as session:
        assert session.execute(select(area_sweeps)).all() == []
        assert "Li Na" not in "".join(session.scalars(select(outbox.c.body)))
        assert queries.get_area(session, level=Level.DISTRICT, code="west").revision == 2


def test_the_large_cell_follows_the_small_one(db: Database) -> None:
    lamp(db, "L-1", 24.93)
    draw(db, "G-1", WEST, Level.GRID, parent="LG-1")
    sweep(db)
    assert (stands(db, "L-1", Level.GRID), stands(db, "L-1", Level.LARGE_GRID)) == ("G-1", "LG-1")
    redraw(db, "G-1", Level.GRID, parent="LG-2")
    sweep(db)
    assert stands(db, "L-1", Level.LARGE_GRID) == "LG-2"
    draw(db, "LG-3", BOTH, Level.LARGE_GRID)
    sweep(db)
    assert stands(db, "L-1", Level.LARGE_GRID) == "LG-3"
    the_sums_are_right(db)


def test_areas_of_a_file_are_drawn_changed_and_left_alone(db: Database) -> None:
    lamp(db, "L-1", 24.93)
    drafts = [{"code": "west", "name": "West", "geometry": WEST}, {"code": "east", "name": "East", "geometry": EAST}]
    assert imported(db, drafts) == {"created": 2, "updated": 0, "unchanged": 0}
    assert imported(db, drafts) == {"created": 0, "updated": 0, "unchanged": 2}
    drafts[0]["geometry"] = box(24.90, 60.10, 24.92, 60.20)
    assert imported(db, drafts) == {"created": 0, "updated": 1, "unchanged": 1}
    sweep(db)
    assert stands(db, "L-1") is None


def imported(db: Database, drafts: list[dict[str, Any]]) -> dict[str, int]:
    with db.begin() as session:
        return use_cases.import_areas(session, level=Level.DISTRICT, drafts=drafts, who="ada")


EDGES = st.integers(0, 8)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("area"), st.sampled_from("abc"), EDGES, EDGES),
        st.tuples(st.just("lamp"), st.just(""), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("sweep"), st.just(""), EDGES, EDGES),
    ),
    max_size=12,
)


@pytest.mark.thorough
@given(changes=CHANGES)
@settings(max_examples=40)
def test_however_areas_change_while_facilities_come_they_end_where_they_lie(one_db: Database, changes: Any) -> None:
    """Sweeps run at any moment, one chunk at a time; in the end everybody stands where the present areas say."""
    db, known, lamps = emptied(one_db), set(), 0
    for what, code, west, east in changes:
        area = box(24 + west / 10, 60, 24 + (max(east, west) + 1) / 10, 61)
        if what == "area":
            (redraw(db, code, geometry=area) if code in known else draw(db, code, area))
            known.add(code)
        elif what == "lamp":
            lamp(db, f"L-{lamps}", 24.05 + west / 10)
            lamps += 1
        else:
            with db.begin() as session:
                use_cases.sweep_areas(session)
    sweep(db)
    sweep(db)
    with db.read() as session:
        rows = session.execute(select(facilities.c.longitude, facilities.c.latitude, facilities.c.district)).all()
        lie = use_cases.areas.areas_of(session, [(row.longitude, row.latitude) for row in rows])
    assert [row.district for row in rows] == [each.get("district") for each in lie]
    the_sums_are_right(db)


def test_others_are_told_the_outlines_of_districts_and_again_at_each_start(db: Database) -> None:
    with db.begin() as session:
        use_cases.add_area(session, level=Level.DISTRICT, code="d", geometry=box(0, 0, 1, 1))
        use_cases.add_area(session, level=Level.GRID, code="g", geometry=box(0, 0, 1, 1))
    with db.begin() as session:
        tell_districts(session)
    with db.read() as session:
        bodies = session.scalars(select(outbox.c.body).where(outbox.c.event_type == AreaChanged.event_type))
        told = [(each["code"], each["revision"], each["outline"]) for each in (json.loads(b)["data"] for b in bodies)]
    ring = [[[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]]
    assert told == [("d", 1, ring), ("g", 1, None), ("d", 1, ring)]


def test_an_outline_is_told_as_it_is_unless_it_has_very_many_points() -> None:
    parts = {"type": "MultiPolygon", "coordinates": [box(0, 0, 1, 1)["coordinates"], box(5, 0, 6, 1)["coordinates"]]}
    assert [len(polygon[0]) for polygon in outline(parts)] == [5, 5]
    turn = [index * 2 * pi / 60_000 for index in range(60_000)]
    ring = [[25 + cos(each) / 10 + sin(7 * each) / 1000, 60 + sin(each) / 10] for each in turn]
    (shore,) = outline({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    assert 500 < len(shore[0]) <= MOST_POINTS
    apart = shape({"type": "Polygon", "coordinates": shore}).hausdorff_distance(Polygon(ring))
    assert apart < 0.0001  # some ten metres
