"""What controllers report, and the nights that come of it: in SQLite here, in PostgreSQL by the integration tests."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from services.assets import use_cases
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Action
from services.assets.domain.lighting import CITY, DAY, LightingSchedule, NightIsOver, plan
from services.assets.domain.rates import By, RateName
from services.assets.domain.standings import View
from services.assets.queries import lamps as queries
from services.assets.queries.lamps import count_silent, latest_night, list_metered
from services.assets.queries.rates import list_rates
from services.assets.tables import lamp_nights, lamp_nights_due, lamp_states, mapping
from services.assets.use_cases import lamps, lighting, metering
from shared import clock
from shared.db import Database, kernel
from shared.events.assets import LampMisbehaved

NIGHT = date(2026, 1, 15)  # planned from 16:05 to 08:53
NEXT = date(2026, 1, 16)
MORNING = datetime(2026, 1, 16, 9, 30, tzinfo=UTC)
ZONE = timedelta(hours=2)
LAMPS = ["L-1", "L-2", "L-3"]
MINUTE = timedelta(minutes=1)


def local(hour: int, minute: int = 0, *, second: int = 0, night: date = NIGHT) -> datetime:
    """A time of the night, by Helsinki's winter clock."""
    day = night if hour >= 12 else night + DAY
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC) - ZONE


@contextmanager
def moment(at: datetime) -> Iterator[None]:
    """Another time of the clock for a while."""
    clock.set_to(at)
    yield
    clock.set_to(MORNING)


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from an_empty_city(f"sqlite:///{tmp_path_factory.mktemp('lamps')}/assets.db")


@pytest.fixture
def db(one_db: Database) -> Iterator[Database]:
    with clock.frozen(MORNING):
        found_anew(one_db)
        yield one_db


def an_empty_city(url: str) -> Iterator[Database]:
    database = Database(url)
    mapping.metadata.create_all(database.engine.execution_options(writes=True))
    kernel.create_all(database.engine.execution_options(writes=True))
    yield database
    database.close()


def found_anew(database: Database) -> None:
    """Three lamps, and nothing that happened."""
    with database.begin() as session:
        for table in reversed([*kernel.sorted_tables, *mapping.metadata.sorted_tables]):
            session.execute(delete(table))
    now = clock.now()
    clock.set_to(MORNING - timedelta(days=60))
    with database.begin() as session:
        use_cases.register_facilities(session, [a_lamp(code) for code in LAMPS], who="ada")
    clock.set_to(now)


def a_lamp(code: str, **more: Any) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [24.94 + int(code[2:]) / 1000, 60.17]}
    return {"code": code, "kind": "street_light", "geometry": place, "district": "centre"} | more


def state(code: str, at: datetime, lit: bool = True, **more: Any) -> dict[str, Any]:
    return {"facility_code": code, "at": at, "lit": lit, "power_w": None, "failure": None, "controller": None} | more


def every(minutes: int, first: datetime, last: datetime) -> Iterator[datetime]:
    while first < last:
        yield first
        first += minutes * MINUTE


def tell(db: Database, *states: dict[str, Any]) -> Any:
    with db.begin() as session:
        return lamps.take_states(session, batch=states)


def reckon(db: Database) -> list[LampMisbehaved]:
    """Reckon what is due; what the others are told."""
    with db.begin() as session:
        metering.reckon_nights(session)
        return [each for each in session.info.get("outbox", ()) if isinstance(each, LampMisbehaved)]


def nights(db: Database) -> dict[tuple[str, date], tuple[int, int, int, int]]:
    """Planned, known, lit and day-burning minutes of each lamp and night."""
    with db.read() as session:
        found = {}
        for code in LAMPS:
            for each in queries.list_lamp_nights(session, code, limit=100).items:
                known = each["planned_min"] - each["unknown_min"]
                minutes = (each["planned_min"], known, each["lit_min"], each["day_burning_min"])
                found[code, each["night"]] = tuple(map(int, minutes))
        return found  # type: ignore[return-value]


def metered(db: Database, **asked: Any) -> Any:
    with db.read() as session:
        (rate,) = list_metered(session, by=By.DISTRICT, only={}, **{"date": None, **asked})
        return rate


# --- taking states


def test_each_state_is_taken_or_refused_by_a_named_rule(db: Database) -> None:
    at = local(20)
    with db.begin() as session:
        use_cases.register_facilities(session, [a_road()], who="ada")
    taken = tell(
        db,
        state("L-1", at),
        state("L-1", at),  # repeated
        state("L-1", local(19)),  # out of order
        state("L-1", at, lit=False),  # a second word about the same moment
        state("nowhere", at),
        state("R-1", at),
        state("L-2", MORNING + 4 * MINUTE),
        state("L-2", MORNING + 6 * MINUTE),
        state("L-2", MORNING - timedelta(days=39)),
        state("L-2", MORNING - timedelta(days=41)),
        state("L-2", at, power_w=-1.0),
    )
    rules = {each["index"]: each["reason"].partition(":")[0] for each in taken.rejected}
    assert rules == {
        3: "contradiction", 4: "unknown-lamp", 5: "unknown-lamp", 7: "in-the-future", 9: "too-old",
        10: "impossible-power",
    }  # fmt: skip
    assert taken.accepted == 5
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(lamp_states)) == 4


def a_road() -> dict[str, Any]:
    route = {"type": "LineString", "coordinates": [[24.94, 60.1702], [24.95, 60.1702]]}
    return {"code": "R-1", "kind": "carriageway", "geometry": route, "measure": 100.0}


def test_the_same_batch_again_is_accepted_and_changes_nothing(db: Database) -> None:
    batch = [state("L-1", at) for at in every(30, local(15), local(21))]
    assert tell(db, *batch).accepted == len(batch)
    reckon(db)
    before = nights(db)
    again = tell(db, *batch)
    assert (again.accepted, again.rejected) == (len(batch), [])
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(lamp_nights_due)) == 0
    reckon(db)
    assert nights(db) == before


def test_what_contradicts_an_earlier_batch_is_refused(db: Database) -> None:
    tell(db, state("L-1", local(20)))
    assert tell(db, state("L-1", local(20), lit=False)).rejected[0]["reason"].startswith("contradiction")


def test_the_newest_state_stands_for_a_lamp_whenever_it_came(db: Database) -> None:
    tell(db, state("L-1", local(8), lit=False, failure="lamp_failure", controller="C-7", power_w=1.5))
    tell(db, state("L-1", local(7)))
    with db.read() as session:
        (shown,) = queries.list_lamp_states(session, limit=10).items
    assert (shown["at"], shown["lit"], shown["failure"]) == (local(8), False, "lamp_failure")
    assert (shown["controller"], shown["power_w"], shown["silent"]) == ("C-7", 1.5, True)


def test_a_lamp_is_silent_when_its_word_holds_no_longer(db: Database) -> None:
    tell(db, state("L-1", MORNING - 61 * MINUTE), state("L-2", MORNING - 59 * MINUTE, failure="low_power"))

    def listed(**asked: Any) -> list[str]:
        with db.read() as session:
            return [each["facility_code"] for each in queries.list_lamp_states(session, limit=10, **asked).items]

    assert (listed(silent=True), listed(silent=False), listed()) == (["L-1"], ["L-2"], ["L-1", "L-2"])
    assert (listed(failure="any"), listed(failure="relay_failure")) == (["L-2"], [])
    assert (listed(district="centre", kind="street_light", lit=True), listed(district="no")) == (["L-1", "L-2"], [])
    with db.read() as session:
        assert count_silent(session) == [(("street_light", "centre"), 1)]
    with db.begin() as session:
        use_cases.act_on_facility(session, "L-1", action=Action.RETIRE, who="ada", expected=None)
    assert listed() == ["L-2"]


# --- nights


def test_a_night_is_reckoned_from_the_states_and_what_nobody_knows_is_left_out(db: Database) -> None:
    tell(db, *(state("L-1", at) for at in every(30, local(15, 30), local(9))))  # burns all night
    tell(db, *(state("L-2", at, lit=False) for at in every(30, local(15, 30), local(20))))  # dark until its word ends
    reckon(db)
    planned = (local(8, 53) - local(16, 5)) // MINUTE
    assert nights(db)["L-1", NIGHT] == (planned, planned, planned, 0)
    assert nights(db)["L-2", NIGHT] == (planned, (local(20, 30) - local(16, 5)) // MINUTE, 0, 0)
    rate = metered(db)
    assert (rate.numerator, rate.denominator) == (planned, planned + 265)
    assert (rate.lamps_unknown, rate.minutes_unknown) == (1, planned - 265)  # of L-3 nothing is known at all
    assert (rate.key, rate.kind, rate.unit, rate.window_days) == ("centre", "street_light", "min", 1)


def test_without_any_word_a_night_has_no_rate_and_all_lamps_are_unknown(db: Database) -> None:
    with moment(local(22)):
        reckon(db)
    rate = metered(db)
    assert (rate.ratio, rate.denominator, rate.lamps_unknown) == (None, 0, 3)


def test_late_word_changes_its_night_and_no_other(db: Database) -> None:
    tell(db, *(state(code, at) for code in LAMPS for at in every(60, local(15), local(9))))
    earlier = NIGHT - 3 * DAY
    tell(db, *(state("L-1", at) for at in every(60, local(15, night=earlier), local(9, night=earlier))))
    reckon(db)
    assert metered(db).ratio == 1.0
    tell(db, state("L-1", local(0, 30, night=earlier), lit=False))  # until the state of 01:00
    reckon(db)
    assert metered(db).ratio == 1.0
    past = metered(db, date=earlier)
    assert past.denominator - past.numerator == 30
    window = metered(db, window_days=7)
    assert (window.denominator - window.numerator, window.window_days) == (30, 7)


def test_late_word_leaves_what_was_known_of_its_night(db: Database) -> None:
    tell(db, *(state(code, at) for code in LAMPS for at in every(60, local(15), local(9))))
    reckon(db)
    known = metered(db, date=NIGHT, view=View.KNOWN)
    assert replace(known, facilities=None) == replace(metered(db, date=NIGHT), facilities=None)
    with moment(MORNING + DAY):
        tell(db, state("L-1", local(0, 30), lit=False))  # until the state of 01:00
        tell(db, *(state(code, at) for code in LAMPS for at in every(60, local(15, night=NEXT), local(9, night=NEXT))))
        reckon(db)
        assert metered(db, date=NIGHT, view=View.KNOWN) == known
        happened = metered(db, date=NIGHT)
        assert (happened.denominator, happened.numerator) == (known.denominator, known.numerator - 30)
        for view, lacking in ((View.KNOWN, 0), (View.HAPPENED, 30)):
            both = metered(db, date=NEXT, window_days=2, view=view)
            assert (both.lamps_unknown, both.denominator - both.numerator) == (0, lacking)
        with db.read() as session:
            shown = {
                view: list_rates(session, by="district", rate=RateName.LIGHT_ON_METERED, date=NIGHT, view=view).items[0]
                for view in View
            }
    assert shown == {View.KNOWN: known, View.HAPPENED: happened}


def test_of_a_night_that_all_word_came_late_for_nothing_was_known(db: Database) -> None:
    earlier = NIGHT - 3 * DAY
    tell(db, *(state("L-1", at) for at in every(60, local(15, night=earlier), local(9, night=earlier))))
    reckon(db)
    assert metered(db, date=earlier).ratio == 1.0
    with db.read() as session:
        assert list_metered(session, by=By.DISTRICT, only={}, date=earlier, view=View.KNOWN) == []


def test_states_that_are_no_longer_kept_leave_their_nights(db: Database) -> None:
    tell(db, *(state("L-1", at) for at in every(60, local(15), local(9))))
    reckon(db)
    before = nights(db)
    with moment(MORNING + timedelta(days=50)), db.begin() as session:
        assert lamps.forget_states(session) == 18
    reckon(db)
    assert nights(db) == before


def test_lamps_out_of_service_are_in_no_sum(db: Database) -> None:
    with moment(local(14)), db.begin() as session:
        use_cases.act_on_facility(session, "L-2", action=Action.PUT_OUT_OF_SERVICE, who="a", expected=None, reason="x")
    tell(db, *(state("L-2", at, lit=False) for at in every(60, local(15), local(9))))
    assert reckon(db) == []
    rate = metered(db)
    assert (rate.denominator, rate.lamps_unknown) == (0, 2)


def test_the_latest_night_is_the_one_whose_plan_is_over(db: Database) -> None:
    for now, night in ((local(8, 52), NIGHT - DAY), (local(8, 53), NIGHT), (local(14, night=NIGHT + DAY), NIGHT)):
        with moment(now), db.read() as session:
            assert latest_night(session) == night


def test_changed_hours_hold_from_the_present_night_on(db: Database) -> None:
    batch = [state("L-1", at) for night in (NIGHT - DAY, NIGHT)
             for at in every(60, local(15, night=night), local(9, 30, night=night))]  # fmt: skip
    tell(db, *batch)
    reckon(db)
    before = nights(db)
    with db.begin() as session:
        lighting.add_schedule(session, code="short", name="", kinds=["street_light"], hours={"off_at": "18:00"})
    reckon(db)
    after = nights(db)
    assert after["L-1", NIGHT - DAY] == before["L-1", NIGHT - DAY]
    assert after["L-1", NIGHT][:3] == (115, 115, 115)
    assert after["L-1", NIGHT][3] == 0  # it burns too long, but not by day
    tell(db, state("L-1", local(16, 30, night=NIGHT - DAY), lit=False))
    reckon(db)
    assert nights(db)["L-1", NIGHT - DAY][0] == before["L-1", NIGHT - DAY][0]  # late word is judged by the old plan


def test_an_exception_for_a_night_that_is_over_is_refused(db: Database) -> None:
    past = {"reason": "x", "from": "2026-01-14", "to": "2026-01-14", "hours": {"burns": "off"}}
    with pytest.raises(NightIsOver), db.begin() as session:
        lighting.add_schedule(session, code="s", exceptions=[past])


# --- lamps that misbehave


def test_a_dark_lamp_and_a_day_burner_are_told_once_a_night(db: Database) -> None:
    tell(db, *(state("L-1", at, lit=False) for at in every(15, local(16), local(16, 45))))
    with moment(local(17, 10)):
        assert reckon(db) == []  # an hour of darkness makes a dark lamp, once a later word bears it out
        tell(db, state("L-1", local(16, 45), lit=False), state("L-1", local(17, 10), lit=False))
        tell(db, *(state("L-2", at) for at in every(30, local(13, night=NIGHT), local(14, 31))))
        told = reckon(db)
    assert {(each.facility_code, each.category) for each in told} == {("L-1", "lamp_out"), ("L-2", "day_burning")}
    assert told[0].night == "2026-01-15"
    with db.read() as session:
        (burner,) = queries.list_lamp_states(session, limit=10, day_burning=True).items
    assert burner["facility_code"] == "L-2"
    tell(db, state("L-1", local(18), lit=False))
    assert reckon(db) == []


def test_burning_within_the_tolerance_is_no_day_burning(db: Database) -> None:
    tell(db, *(state("L-1", at) for at in every(10, local(15, 10), local(9, 50))))
    tell(db, state("L-1", local(9, 50), lit=False))
    assert reckon(db) == []
    assert nights(db)["L-1", NIGHT][3] == 0


def test_an_old_night_is_reckoned_but_told_to_nobody(db: Database) -> None:
    old = NIGHT - 5 * DAY
    tell(db, *(state("L-1", at, lit=False) for at in every(30, local(17, night=old), local(8, night=old))))
    assert reckon(db) == []
    assert nights(db)["L-1", old][1] > 600


# --- against a recount by the minute


SPOKEN = st.lists(
    st.tuples(st.sampled_from(LAMPS), st.integers(-3 * 24 * 60, 0), st.booleans()),
    max_size=60,
    unique_by=lambda each: each[:2],
)


@pytest.mark.thorough
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPOKEN, st.randoms(use_true_random=False), st.integers(7, 40))
def test_in_any_order_the_nights_equal_a_recount_by_the_minute(
    db: Database, spoken: list[tuple[str, int, bool]], order: random.Random, size: int
) -> None:
    states = [state(code, MORNING + minutes * MINUTE, lit) for code, minutes, lit in spoken]
    expected = recount(states)
    order.shuffle(states)
    found_anew(db)
    while states:
        batch, states = states[:size], states[size:]
        assert tell(db, *batch).rejected == []
        if order.random() < 0.3:
            reckon(db)
    reckon(db)
    found = nights(db)
    assert {key: minutes for key, minutes in found.items() if any(minutes[1:])} == expected
    for night in {night for _, night in found}:
        check_sums(db, night, [minutes for (_, of), minutes in found.items() if of == night])


def recount(states: Sequence[dict[str, Any]]) -> dict[tuple[str, date], tuple[int, int, int, int]]:
    """Planned, known, lit and day-burning minutes, found by looking at every minute."""
    said = {(each["facility_code"], minute_of(each["at"])): each["lit"] for each in states}
    totals = {}
    for night in (NIGHT + number * DAY for number in range(-3, 2)):
        planned = plan(LightingSchedule(code=CITY), night, the_catalogue())
        in_plan, allowed = minutes_of(planned.spans), minutes_of(planned.allowed(60 * MINUTE))
        for code in LAMPS:
            counted: Counter[str] = Counter()
            lit, last = None, 0
            for minute in range(minute_of(planned.window[0]) - 60, minute_of(planned.window[1])):
                if (code, minute) in said:
                    lit, last = said[code, minute], minute
                if minute < minute_of(planned.window[0]):
                    continue
                lit = lit if minute < last + 60 else None
                counted["known"] += minute in in_plan and lit is not None
                counted["lit"] += minute in in_plan and bool(lit)
                counted["day"] += minute not in allowed and bool(lit)
            if any(counted.values()):
                totals[code, night] = len(in_plan), counted["known"], counted["lit"], counted["day"]
    return totals


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60


def minutes_of(spans: Iterable[tuple[datetime, datetime]]) -> set[int]:
    return {minute for on, off in spans for minute in range(minute_of(on), minute_of(off))}


def check_sums(db: Database, night: date, minutes: Sequence[tuple[int, int, int, int]]) -> None:
    with db.read() as session:
        rates = list_metered(session, by=By.KIND, date=night, only={})
        if night > latest_night(session):
            return
    (rate,) = rates
    known = [each for each in minutes if each[1]]
    assert (rate.numerator, rate.denominator) == (sum(each[2] for each in known), sum(each[1] for each in known))
    assert (rate.lamps_unknown, rate.minutes_unknown) == (3 - len(known), sum(each[0] - each[1] for each in known))
    assert rate.ratio is None or 0 <= rate.ratio <= 1


def test_nothing_is_left_due(db: Database) -> None:
    tell(db, *(state(code, local(20)) for code in LAMPS))
    reckon(db)
    assert left(db) == (0, 3)


def left(db: Database) -> tuple[int, int]:
    def count(session: Session, table: Any) -> int:
        return session.scalar(select(func.count()).select_from(table)) or 0

    with db.read() as session:
        return count(session, lamp_nights_due), count(session, lamp_nights)
