"""Whether a lamp should have burnt when it was looked at: its own schedule says so, as it was then, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from services.assets import tables, use_cases
from services.assets.domain.catalogue import FILE
from services.assets.domain.facilities import Action
from services.assets.queries.codes import get_facility
from services.assets.use_cases import lighting, looks
from services.assets.use_cases.editions import publish_catalogue
from shared import clock
from shared.db import Database
from shared.events.assets import LampJudged, LightsJudged
from shared.events.inspections import LampLook, LightsChecked
from shared.events.workorders import OrderClosed
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.unit.test_assets_defects import confirmed, lamp, order

# Helsinki, two hours ahead of UTC: the sun sets at 15:53 and rises at 9:08, and lamps burn a quarter of an hour less.
NOON = datetime(2026, 1, 15, 10, tzinfo=UTC)
DUSK = datetime(2026, 1, 15, 14, tzinfo=UTC)  # 16:00: the sun is down, the city's lamps are not on yet
EVENING = datetime(2026, 1, 15, 20, tzinfo=UTC)
SMALL_HOURS = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)  # 1:30 on the 16th
MORNING = datetime(2026, 1, 16, 5, tzinfo=UTC)
PART_NIGHT: dict[str, Any] = {
    "code": "part-night",
    "kinds": ["none"],
    "hours": {"pause_from": "00:00", "pause_until": "05:00"},
}
A_DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    """A lamp that follows the city's hours, and one that is dark from midnight to five."""
    with clock.frozen(NOON - A_DAY), left_as_found(made, tables.mapping.metadata) as lent:
        with lent.begin() as session:
            use_cases.register_facilities(session, [lamp("L-1", 24.94), part_night_lamp("L-2")], who="ada")
        add_schedule(lent, **PART_NIGHT | {"kinds": []}, districts=["nowhere"])
        yield lent


def part_night_lamp(code: str) -> dict[str, Any]:
    return lamp(code, 24.941) | {"attributes": {"lighting_schedule": "part-night"}}


def add_schedule(database: Database, **described: Any) -> None:
    with database.begin() as session:
        lighting.add_schedule(session, **described)


def change_schedule(database: Database, code: str, **changes: Any) -> None:
    with database.begin() as session:
        lighting.change_schedule(session, code, expected=None, **changes)


def change_lamp(database: Database, code: str, **changes: Any) -> None:
    with database.begin() as session:
        use_cases.revise_facility(session, code, who="ada", expected=None, **changes)


def act(database: Database, code: str, action: Action) -> None:
    with database.begin() as session:
        use_cases.act_on_facility(session, code, action=action, who="ada", expected=None, reason="A test.")


def seen(at: datetime, *codes: str, lit: bool = False) -> LightsChecked:
    lamps = [LampLook(facility_code=code, lit=lit) for code in codes]
    return LightsChecked(revision=1, happened_at=at, recorded_at=at, check_id=uuid4(), lamps=lamps)


def judged(database: Database, *events: LightsChecked) -> list[LampJudged]:
    with database.begin() as session:
        looks.tell_judgements(session, events)
        told = [each for each in session.info["outbox"] if isinstance(each, LightsJudged)]
    assert [each.check_id for each in told] == [each.check_id for each in events]
    return [lamp for each in told for lamp in each.lamps]


def should_burn(database: Database, at: datetime, *codes: str) -> list[bool | None]:
    return [each.planned for each in judged(database, seen(at, *codes))]


def counted(database: Database, code: str) -> tuple[datetime | None, bool | None]:
    """The look that stands for a lamp in the sampled rate."""
    with database.read() as session:
        found = get_facility(session, code)
        return found.last_look_at, found.last_look_lit


@pytest.mark.parametrize(
    ("at", "city", "part_night"),
    [
        (NOON, False, False),
        (DUSK, False, False),
        (EVENING, True, True),
        (SMALL_HOURS, True, False),
        (MORNING, True, True),
    ],
)
def test_each_lamp_is_judged_by_its_own_schedule(
    database: Database, at: datetime, city: bool, part_night: bool
) -> None:
    with clock.frozen(at):
        assert should_burn(database, at, "L-1", "L-2") == [city, part_night]


def test_a_part_night_lamp_that_is_dark_as_planned_says_why_and_does_not_count(database: Database) -> None:
    check = seen(SMALL_HOURS, "L-1", "L-2")
    with clock.frozen(SMALL_HOURS):
        assert (
            judged(database, check)[1].reason == "not-planned: by the schedule part-night the lamp need not burn then"
        )
        with database.begin() as session:
            looks.record_looks(session, [check])
    assert counted(database, "L-1") == (SMALL_HOURS, False)
    assert counted(database, "L-2") == (None, None)


def test_a_lamp_that_should_burn_before_the_city_counts_as_seen(database: Database) -> None:
    add_schedule(database, code="tunnel", hours={"on_at": "15:30"})
    with clock.frozen(DUSK):
        assert should_burn(database, DUSK, "L-1") == [True]
        with database.begin() as session:
            looks.record_looks(session, [seen(DUSK, "L-1")])
    assert counted(database, "L-1") == (DUSK, False)


def test_a_passed_check_is_a_look_only_when_the_lamp_should_burn(database: Database) -> None:
    findings = {code: confirmed(code=code, happened_at=NOON - A_DAY) for code in ("L-1", "L-2")}
    with database.begin() as session:
        use_cases.record_defects(session, list(findings.values()))
    with clock.frozen(SMALL_HOURS), database.begin() as session:
        closed = [order(OrderClosed, each.finding_id, 5, SMALL_HOURS, number=code) for code, each in findings.items()]
        use_cases.follow_orders(session, closed)
    assert counted(database, "L-1") == (SMALL_HOURS, True)
    assert counted(database, "L-2") == (None, None)


def test_what_is_no_lamp_of_ours_is_nobodys(database: Database) -> None:
    with database.begin() as session:
        manhole = {"code": "M-1", "kind": "manhole", "geometry": {"type": "Point", "coordinates": [24.9, 60.2]}}
        use_cases.register_facilities(session, [manhole], who="ada")
    with clock.frozen(EVENING):
        found = judged(database, seen(EVENING, "?", "M-1", "L-1"))
    assert [(each.planned, each.reason.partition(":")[0]) for each in found] == [
        (None, "unknown-lamp"), (None, "unknown-lamp"), (True, ""),
    ]  # fmt: skip


def test_a_lamp_out_of_service_or_retired_need_not_burn(database: Database) -> None:
    act(database, "L-1", Action.PUT_OUT_OF_SERVICE)
    act(database, "L-2", Action.RETIRE)
    with clock.frozen(EVENING):
        found = judged(database, seen(EVENING, "L-1", "L-2"))
    assert [(each.planned, each.reason) for each in found] == [
        (False, "not-in-service: the lamp is out of service"), (False, "not-in-service: the lamp is retired"),
    ]  # fmt: skip


def test_a_late_look_is_judged_by_the_hours_that_the_schedule_then_had(database: Database) -> None:
    with clock.frozen(MORNING):
        change_schedule(database, "part-night", hours={})
        assert should_burn(database, SMALL_HOURS, "L-2") == [False]
    with clock.frozen(MORNING + A_DAY):
        change_schedule(database, "part-night", hours={"burns": "off"})
        assert should_burn(database, SMALL_HOURS, "L-2") == [False]
        assert should_burn(database, SMALL_HOURS + A_DAY, "L-2") == [True]
        found = judged(database, seen(MORNING + A_DAY, "L-2"), seen(EVENING, "L-2"))
        assert [each.planned for each in found] == [False, True]


def test_a_schedule_that_was_added_later_judges_nothing_before_it(database: Database) -> None:
    with clock.frozen(MORNING):
        add_schedule(database, code="all-off", hours={"burns": "off"})
        assert should_burn(database, EVENING, "L-1") == [True]
        assert should_burn(database, MORNING, "L-1") == [False]


def test_a_late_look_is_judged_by_the_schedule_that_the_lamp_then_followed(database: Database) -> None:
    with clock.frozen(MORNING):
        change_lamp(database, "L-2", attributes={"lighting_schedule": "city"})
        change_lamp(database, "L-1", attributes={"lighting_schedule": "part-night"})
        act(database, "L-1", Action.PUT_OUT_OF_SERVICE)
    with clock.frozen(MORNING + A_DAY):
        change_lamp(database, "L-2", street="Vilhonkatu")
        assert should_burn(database, SMALL_HOURS, "L-1", "L-2") == [True, False]
        assert should_burn(database, SMALL_HOURS + A_DAY, "L-1", "L-2") == [False, True]


def test_a_look_at_a_lamp_that_was_registered_later_goes_by_the_lamp_as_it_was_registered(database: Database) -> None:
    with clock.frozen(MORNING), database.begin() as session:
        use_cases.register_facilities(session, [part_night_lamp("L-3")], who="ada")
    with clock.frozen(MORNING + A_DAY):
        change_lamp(database, "L-3", attributes={"lighting_schedule": "city"})
        assert should_burn(database, SMALL_HOURS, "L-3") == [False]
        assert should_burn(database, EVENING, "L-3") == [True]


def test_a_former_code_means_its_lamp(database: Database) -> None:
    with database.begin() as session:
        use_cases.renumber_facility(session, "L-2", new_code="L-2b", who="ada", expected=None, reason="A census.")
    with clock.frozen(SMALL_HOURS):
        assert should_burn(database, SMALL_HOURS, "L-2", "L-2b") == [False, False]


def test_a_late_look_is_judged_by_the_hours_that_the_catalogue_then_had(database: Database) -> None:
    hours, text = "on_after_sunset_min = 15", FILE.read_text()
    assert hours in text
    with database.begin() as session:
        publish_catalogue(session, text)
    with clock.frozen(EVENING), database.begin() as session:
        publish_catalogue(session, text.replace(hours, "on_after_sunset_min = -15"))
    with clock.frozen(MORNING + A_DAY):
        assert should_burn(database, DUSK, "L-1") == [False]
        assert should_burn(database, DUSK + A_DAY, "L-1") == [True]
        assert should_burn(database, DUSK - 3 * A_DAY - timedelta(minutes=10), "L-1") == [False]  # before any edition


@pytest.mark.parametrize(("day", "burns"), [("2026-06-20", False), ("2026-12-20", True)])
def test_a_lamp_beyond_the_polar_circle_burns_all_winter_and_no_summer(
    database: Database, day: str, burns: bool
) -> None:
    add_schedule(database, code="utsjoki", location={"lon": 27.0, "lat": 69.9})
    hours = [datetime.fromisoformat(f"{day}T{hour:02}:30:00+00:00") for hour in range(0, 24, 3)]
    with clock.frozen(hours[-1]):
        assert [each.planned for each in judged(database, *(seen(at, "L-1") for at in hours))] == [burns] * len(hours)


def test_a_look_that_was_heard_late_and_again_is_kept_once_as_it_was_judged(database: Database) -> None:
    check = seen(SMALL_HOURS, "L-2")
    for at in (SMALL_HOURS, MORNING):
        with clock.frozen(at):
            with database.begin() as session:
                looks.record_looks(session, [check, check])
            change_schedule(database, "part-night", hours={})
    with database.read() as session:
        assert [row.within_lighting_hours for row in session.execute(select(tables.looks))] == [False]
