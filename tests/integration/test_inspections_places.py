"""Places outside the city are refused where it is known, on both engines, and taken and flagged until then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from services.inspections import queries, tables, use_cases
from services.inspections.domain.findings import ALL, Finding
from services.inspections.domain.places import FarFromCity, PlaceCheck
from shared import clock
from shared.db import Database
from shared.events.assets import AreaChanged, CataloguePublished
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.test_inspections_findings import NIGHT

HELSINKI = (24.78, 59.92, 25.26, 60.30)
IN_TOWN, SWAPPED, AT_SEA, IN_MAINZ = (24.94, 60.17), (60.17, 24.94), (24.94, 58.9), (8.05, 50.05)


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "inspections", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NIGHT), left_as_found(made, tables.mapping.metadata) as lent:
        with lent.read() as session:
            queries.forget_rulebook(session)
        yield lent
        with lent.read() as session:
            queries.forget_rulebook(session)


def publish(database: Database, bounds: tuple[float, ...] = HELSINKI, revision: int = 1) -> None:
    known: dict[str, Any] = {"revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "name": "city"}
    catalogue = {"categories": {"lamp_out": {"single": False}}, "city": {"bounds": list(bounds)}}
    with database.begin() as session:
        use_cases.keep_catalogue(session, [CataloguePublished(**known, catalogue=catalogue)])


def draw(database: Database, west: float, south: float, revision: int = 1, code: str = "mitte") -> None:
    east, north = west + 0.1, south + 0.1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "level": "district", "code": code,
        "name": "", "west": west, "south": south, "east": east, "north": north, "area_m2": 1.0, "outline": [[ring]],
    }  # fmt: skip
    with database.begin() as session:
        use_cases.keep_areas(session, [AreaChanged(**known)])


def report(database: Database, place: tuple[float, float]) -> Finding:
    known: dict[str, Any] = {
        "reporter": "inspector-1", "role": "inspector", "category": "lamp_out", "severity": "normal",
        "source": "patrol", "found_at": NIGHT, "location": {"lon": place[0], "lat": place[1]},
    }  # fmt: skip
    with database.begin() as session:
        return use_cases.report_finding(session, **known)


def place_of(database: Database, finding_id: UUID) -> PlaceCheck | None:
    with database.read() as session:
        return queries.get_finding(session, finding_id).place_check


def test_swapped_numbers_are_refused_and_the_refusal_says_so(database: Database) -> None:
    publish(database)
    draw(database, 24.9, 60.1)
    assert report(database, IN_TOWN).place_check is PlaceCheck.INSIDE
    with pytest.raises(FarFromCity, match=r"km outside the city. .*swapped: lon 24.94, lat 60.17 lies in it") as told:
        report(database, SWAPPED)
    assert told.value.field == "location"


def test_a_place_far_from_the_city_is_refused_without_that_hint(database: Database) -> None:
    publish(database)
    draw(database, 24.9, 60.1)
    with pytest.raises(FarFromCity, match=r"some 113 km outside the city\.$"):
        report(database, AT_SEA)


@pytest.mark.parametrize("place", [(24.775, 60.0), (24.94, 60.305), (25.0, 60.0)])
def test_the_edge_of_the_city_and_what_no_district_holds_are_taken(
    database: Database, place: tuple[float, float]
) -> None:
    publish(database)
    draw(database, 24.9, 60.1)
    assert report(database, place).place_check is PlaceCheck.INSIDE


def test_a_city_elsewhere_than_its_catalogue_says_is_where_its_districts_are(database: Database) -> None:
    publish(database)
    draw(database, 8.0, 50.0)
    assert report(database, IN_MAINZ).place_check is PlaceCheck.INSIDE
    with pytest.raises(FarFromCity, match="swapped"):
        report(database, IN_MAINZ[::-1])


def test_what_came_before_any_area_is_taken_flagged_and_looked_at_again(database: Database) -> None:
    here, there = report(database, IN_MAINZ), report(database, AT_SEA)
    assert (here.place_check, there.place_check) == (PlaceCheck.UNCHECKED, PlaceCheck.UNCHECKED)
    publish(database)
    assert place_of(database, here.id) is PlaceCheck.UNCHECKED  # the packaged bounds may not be the city's
    draw(database, 8.0, 50.0)
    assert place_of(database, here.id) is PlaceCheck.INSIDE
    assert place_of(database, there.id) is PlaceCheck.OUTSIDE
    with database.read() as session:
        listed = queries.find_findings(session, sight=ALL, place_check="outside", limit=10, cursor=None).items
        assert [each.id for each in listed] == [there.id]


def test_swapped_numbers_are_known_by_the_bounds_alone(database: Database) -> None:
    publish(database)
    with pytest.raises(FarFromCity, match="swapped"):
        report(database, SWAPPED)


def test_a_district_drawn_anew_counts_and_older_word_does_not(database: Database) -> None:
    draw(database, 24.9, 60.1, revision=2)
    draw(database, 8.0, 50.0, revision=1)
    assert report(database, IN_TOWN).place_check is PlaceCheck.INSIDE
    with pytest.raises(FarFromCity):
        report(database, IN_MAINZ)
