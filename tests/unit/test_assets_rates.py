"""Rates now and on past days, as they were known and as they happened, and the facilities behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import product
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets import queries, use_cases
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Action, Facility, IllegalChange
from services.assets.domain.rates import By, DayBeforeRegistry, DayToCome, Rate, dark_allowed
from services.assets.domain.standings import View, standing_of
from services.assets.domain.sums import Figure, amounts
from services.assets.queries import past
from services.assets.schemas.facilities import FacilitiesQuery, FacilityOut
from services.assets.schemas.rates import RateOut
from services.assets.tables import facilities
from shared import clock
from shared.db import Database
from shared.events.workorders import OrderClosed, OrderReopened, OrderVoided
from tests.links import must_add_up
from tests.unit.test_assets_defects import (
    LAMPS,
    NIGHT,
    a_city,
    a_city_file,  # noqa: F401  a fixture
    checked,
    confirmed,
    db,  # noqa: F401  a fixture
    follow,
    found_anew,
    lamp,
    look,
    order,
    rates,
    record,
    the_sums_are_right,
)

DAY = timedelta(days=1)
CITY = the_catalogue().city
FIRST_DAY = CITY.day_of(NIGHT)
ROAD = "R-1"


def listed(database: Database, **asked: Any) -> list[Rate]:
    """Rates but for the addresses behind them, which name the day."""
    with database.read() as session:
        return [replace(each, facilities=None) for each in queries.list_rates(session, **asked).items]


def listed_of(database: Database, day: date, **asked: Any) -> list[Rate]:
    return listed(database, by="district", date=day, **asked)


def behind(database: Database, address: str) -> list[str]:
    """The codes that one finds at an address."""
    asked = FacilitiesQuery().load(dict(parse_qsl(urlsplit(address).query, keep_blank_values=True)))
    with database.read() as session:
        return [each.code for each in queries.list_facilities(session, **asked).items]


def all_behind(session: Session, address: str) -> list[dict[str, Any]]:
    """What one finds at an address, as it is shown."""
    asked = FacilitiesQuery().load(dict(parse_qsl(urlsplit(address).query, keep_blank_values=True)))
    shown: list[dict[str, Any]] = FacilityOut().dump(queries.list_facilities(session, **asked).items, many=True)
    return shown


def revise(database: Database, code: str, **changes: Any) -> None:
    with database.begin() as session:
        use_cases.revise_facility(session, code, who="ada", expected=None, **changes)


def act(database: Database, code: str, action: Action, **more: Any) -> None:
    with database.begin() as session:
        use_cases.act_on_facility(session, code, action=action, who="ada", expected=None, **more)


@pytest.mark.parametrize("by", ["kind", "district", "grid"])
def test_pages_of_one_rate_follow_each_other_to_the_whole_list(db: Database, by: str) -> None:  # noqa: F811
    look(db, checked({"L-1": True, "L-2": False}))
    paged: list[Rate] = []
    cursor = None
    with db.read() as session:
        whole = queries.list_rates(session, by=by).items
        while not paged or cursor:
            page = queries.list_rates(session, by=by, limit=1, cursor=cursor)
            paged, cursor = [*paged, *page.items], page.next
    assert paged == whole
    assert {each.rate for each in whole} >= {"intact", "light_on_sampled", "led_share"}


def test_a_past_day_is_as_it_was_known_whatever_is_learned_later(db: Database) -> None:  # noqa: F811
    record(db, confirmed())
    with clock.frozen(NIGHT + 2 * DAY):
        late = confirmed(code="L-2", happened_at=NIGHT + timedelta(minutes=5))
        record(db, late)
        known = rates(db, date=FIRST_DAY)["intact", "street_light"]
        happened = rates(db, date=FIRST_DAY, view=View.HAPPENED)["intact", "street_light"]
    assert (known.numerator, known.denominator) == (2, 3)
    assert (happened.numerator, happened.denominator) == (1, 3)


@pytest.mark.parametrize("view", View)
def test_a_day_before_the_first_facility_is_refused_and_that_day_answers(db: Database, view: View) -> None:  # noqa: F811
    for asked in (listed_of, queries_as_of):
        assert asked(db, FIRST_DAY, view=view)
        for before in (FIRST_DAY - DAY, date(1990, 1, 1), date(1900, 1, 1)):
            with pytest.raises(DayBeforeRegistry, match=f"of {FIRST_DAY}"):
                asked(db, before, view=view)


def test_a_day_to_come_is_refused(db: Database) -> None:  # noqa: F811
    for asked, field in ((listed_of, "date"), (queries_as_of, "as_of")):
        with pytest.raises(DayToCome) as refused:
            asked(db, FIRST_DAY + DAY)
        assert refused.value.field == field


def test_what_is_told_of_late_moves_the_first_day_only_as_it_happened(db: Database) -> None:  # noqa: F811
    earlier = NIGHT - 30 * DAY
    with clock.frozen(NIGHT + 3 * DAY):
        for at, code in ((earlier, "L-8"), (earlier + DAY, "L-9")):
            with db.begin() as session:
                use_cases.register_facility(session, who="ada", at=at, **lamp(code, 24.941))
        begun = CITY.day_of(earlier)
        assert [each.code for each in queries_as_of(db, begun, view=View.HAPPENED)] == ["L-8"]
        assert listed_of(db, begun, view=View.HAPPENED)
        for view, day, first in ((View.HAPPENED, begun - DAY, begun), (View.KNOWN, begun, FIRST_DAY)):
            for asked in (listed_of, queries_as_of):
                with pytest.raises(DayBeforeRegistry, match=f"of {first}"):
                    asked(db, day, view=view)


def test_a_search_that_finds_nothing_on_a_day_of_the_registry_is_empty_and_no_refusal(db: Database) -> None:  # noqa: F811
    with clock.frozen(NIGHT + 2 * DAY):
        assert queries_as_of(db, FIRST_DAY, kind=["bridge"]) == []
        assert listed_of(db, FIRST_DAY, kind="bridge") == []
        with pytest.raises(DayBeforeRegistry):
            queries_as_of(db, FIRST_DAY - DAY, kind=["bridge"])


def test_what_was_put_out_of_service_late_stands_beside_the_rate_on_its_day(db: Database) -> None:  # noqa: F811
    later = NIGHT + 3 * DAY
    with clock.frozen(later):
        act(db, "L-1", Action.PUT_OUT_OF_SERVICE, reason="works", at=NIGHT + timedelta(minutes=5))
        act(db, ROAD, Action.PUT_OUT_OF_SERVICE, reason="dug up", at=NIGHT + timedelta(minutes=6))
    with clock.frozen(later + DAY):
        act(db, "L-1", Action.RETURN_TO_SERVICE)
        happened, known = (rates(db, date=FIRST_DAY, view=view) for view in (View.HAPPENED, View.KNOWN))
    lamps, road = happened["intact", "street_light"], happened["intact", "carriageway"]
    assert (lamps.denominator, lamps.out_of_service["reasons"]) == (2, {"works": 1})
    assert road.ratio is None
    assert road.out_of_service == {"facilities": 1, "quantity": 100.0, "reasons": {"dug up": 1}}
    assert happened["intact", None].out_of_service == {"facilities": 2}
    assert known["intact", "street_light"].out_of_service == {}
    assert known["intact", "carriageway"].denominator == 100


def test_what_was_returned_to_service_late_is_not_left_out_on_its_day(db: Database) -> None:  # noqa: F811
    act(db, "L-1", Action.PUT_OUT_OF_SERVICE, reason="works")
    with clock.frozen(NIGHT + 3 * DAY):
        act(db, "L-1", Action.RETURN_TO_SERVICE, at=NIGHT + timedelta(minutes=5))
        happened, known = (rates(db, date=FIRST_DAY, view=view) for view in (View.HAPPENED, View.KNOWN))
    assert (happened["intact", "street_light"].denominator, happened["intact", "street_light"].out_of_service) == (
        3,
        {},
    )
    assert known["intact", "street_light"].out_of_service["reasons"] == {"works": 1}


def test_what_is_registered_late_counts_on_the_day_that_it_says_only_as_it_happened(db: Database) -> None:  # noqa: F811
    with clock.frozen(NIGHT + 5 * DAY), db.begin() as session:
        use_cases.register_facility(session, who="ada", at=NIGHT + DAY, **lamp("L-9", 24.941))
    with clock.frozen(NIGHT + 6 * DAY):
        day = FIRST_DAY + 2 * DAY
        assert rates(db, date=day)["intact", "street_light"].denominator == 3
        assert rates(db, date=day, view=View.HAPPENED)["intact", "street_light"].denominator == 4


def test_a_moved_facility_counted_where_it_then_was(db: Database) -> None:  # noqa: F811
    with clock.frozen(NIGHT + 2 * DAY):
        revise(db, "L-1", maintainer="Lighting North", name="moved away")
        then = listed(db, by="maintainer", rate="intact", kind="street_light", date=FIRST_DAY)
        now = listed(db, by="maintainer", rate="intact", kind="street_light")
        (old,) = queries_as_of(db, FIRST_DAY, code="L-1")
    assert {each.key: each.denominator for each in then if each.kind} == {"Lighting South": 3}
    assert {each.key: each.denominator for each in now if each.kind} == {"Lighting North": 1, "Lighting South": 2}
    assert (old.maintainer, old.name) == ("Lighting South", "")


def queries_as_of(database: Database, day: date, **asked: Any) -> list[Facility]:
    with database.read() as session:
        return list(queries.list_facilities(session, limit=10, as_of=day, **asked).items)


def test_each_rate_leads_to_the_very_facilities_behind_it(db: Database) -> None:  # noqa: F811
    record(db, confirmed())
    look(db, checked({"L-2": False, "L-3": True}))
    act(db, "L-3", Action.PUT_OUT_OF_SERVICE, reason="works")
    with clock.frozen(NIGHT + 2 * DAY):
        act(db, "L-1", Action.RETIRE)
        past_day, now = rates(db, by="district", date=FIRST_DAY), rates(db, by="district")
        for found, intact, dark in ((past_day, ["L-1", "L-2"], ["L-2"]), (now, ["L-2"], ["L-2"])):
            addresses = found["intact", "street_light"].facilities
            assert behind(db, addresses["counted"]) == intact
            assert behind(db, addresses["lacking"]) == intact[:-1]
            assert behind(db, found["light_on_sampled", "street_light"].facilities["lacking"]) == dark
        assert now["intact", "street_light"].out_of_service["reasons"] == {"works": 1}
        assert behind(db, rates(db, by="maintainer")["intact", "carriageway"].facilities["counted"]) == [ROAD]


def test_led_share_and_power_say_of_how_many_lamps_nothing_is_known(db: Database) -> None:  # noqa: F811
    revise(db, "L-1", attributes={"lamp_type": "led", "power_w": 40})
    revise(db, "L-2", attributes={"lamp_type": "sodium", "power_w": 150})
    share = rates(db, by="district")["led_share", "street_light"]
    assert (share.numerator, share.denominator, share.lamps_unknown) == (1, 2, 1)
    assert (share.power_w, share.lamps_of_unknown_power) == (190, 1)
    assert behind(db, share.facilities["lacking"]) == ["L-2"]


def test_an_estimated_area_stands_beside_the_rate(db: Database) -> None:  # noqa: F811
    route = {"type": "LineString", "coordinates": [[24.94, 60.1702], [24.95, 60.1702]]}
    with db.begin() as session:
        use_cases.register_facility(session, who="ada", code="R-2", kind="carriageway", geometry=route)
    rate = rates(db)["intact", "carriageway"]
    assert rate.estimated == pytest.approx(rate.denominator - 100)
    assert rates(db)["intact", "street_light"].target == 0.95


@pytest.mark.parametrize(("seen", "allowed"), [(1, 2), (99, 2), (100, 3), (149, 3), (150, 4), (200, 4), (201, None)])
def test_a_road_with_few_lamps_is_judged_by_its_dark_ones(seen: int, allowed: int | None) -> None:
    """The steps that Changsha publishes."""
    assert dark_allowed(seen, the_catalogue()) == allowed


@pytest.mark.parametrize("by", list(By))
def test_a_filter_across_dimensions_is_counted_from_the_facilities_and_agrees(db: Database, by: By) -> None:  # noqa: F811
    record(db, confirmed())
    look(db, checked({"L-1": False, "L-2": True}))
    filtered = {each.kind: each for each in listed(db, by=by, rate="intact", district="centre", grid="G-1")}
    plain = {each.kind: each for each in listed(db, by=by, rate="intact")}
    assert {kind: (each.numerator, each.denominator) for kind, each in filtered.items()} == {
        kind: (each.numerator, each.denominator) for kind, each in plain.items()
    }


# --- whatever happens, and whenever we learn of it

LATE = st.floats(0, 6)  # days
STEPS = st.one_of(
    st.tuples(st.just("find"), st.sampled_from([*LAMPS, ROAD]), LATE),
    st.tuples(st.sampled_from(["close", "void", "reopen"]), st.integers(0, 20), LATE),
    st.tuples(st.just("look"), st.sampled_from(LAMPS), st.booleans()),
    st.tuples(st.sampled_from(list(Action)), st.sampled_from([*LAMPS, ROAD]), LATE),
    st.tuples(st.just("move"), st.sampled_from(LAMPS), LATE),
    st.tuples(st.sampled_from(["relocate", "replace", "renumber"]), st.sampled_from(LAMPS), LATE),
    st.tuples(st.just("remeasure"), st.floats(1, 200), LATE),
    st.tuples(st.just("register"), st.integers(0, 2), LATE),
    st.tuples(st.just("later"), st.integers(1, 2), st.none()),
    st.tuples(st.just("later"), st.integers(1, 2), st.none()),
)


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from a_city(f"sqlite:///{tmp_path_factory.mktemp('rates')}/assets.db")


@pytest.mark.thorough
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_past_days_rates_never_change_and_both_views_equal_a_recount(
    one_db: Database, steps: list[tuple[str, Any, Any]]
) -> None:
    with clock.frozen(NIGHT):
        found_anew(one_db)
        told = Story(one_db)
    for step in [*steps, ("later", 1, None)]:
        told.happens(*step)
    with clock.frozen(told.at):
        the_sums_are_right(one_db)
        told.days_are_as_they_were_known()
        told.days_are_recounted_as_they_happened()
        told.links_add_up()
        told.lives_lead_to_the_present()


class Story:
    """What happens to the small city, and what its rates were at the end of each day."""

    def __init__(self, database: Database) -> None:
        self.db, self.at, self.revision = database, NIGHT, 1
        self.findings = [confirmed("pothole", ROAD, quantity=5.0)]
        self.known: dict[date, list[Rate]] = {}
        record(database, *self.findings)

    def happens(self, step: str, one: Any, other: Any) -> None:
        happened = self.at - timedelta(days=other) if isinstance(other, float) else self.at
        with suppress(IllegalChange):
            if step == "later":
                self._days_pass(one)
            else:
                with clock.frozen(self.at):
                    self._step(step, one, other, happened)
        self.at += timedelta(minutes=1)

    def _step(self, step: str, one: Any, other: Any, happened: datetime) -> None:
        self.revision += 1
        match step:
            case "find":
                self.findings.append(
                    confirmed("pothole" if one == ROAD else "lamp_out", one, quantity=1.0, happened_at=happened)
                )
                record(self.db, self.findings[-1])
            case "close" | "void" | "reopen":
                self._order(step, self.findings[one % len(self.findings)].finding_id, happened)
            case "look":
                look(self.db, checked({one: other}, self.at))
            case "move":
                revise(self.db, one, geometry=self._elsewhere(), at=happened)
            case "relocate" | "replace" | "renumber":
                self._life(step, one, happened)
            case "remeasure":
                revise(self.db, ROAD, measure=one, at=happened)
            case "register":
                with self.db.begin() as session:
                    new = lamp(f"N-{self.revision}", 24.95)
                    use_cases.register_facility(session, who="ada", at=happened, **new)
            case _:
                act(self.db, one, Action(step), at=happened)

    def _elsewhere(self) -> dict[str, Any]:
        return {"type": "Point", "coordinates": [24.8 + self.revision / 50, 60.17]}

    def _life(self, step: str, code: str, happened: datetime) -> None:
        ways: dict[str, tuple[Any, dict[str, Any]]] = {
            "relocate": (use_cases.move_facility, {"geometry": self._elsewhere()}),
            "replace": (use_cases.replace_facility, {"attributes": {"lamp_type": "led"}}),
            "renumber": (use_cases.renumber_facility, {"new_code": f"{code}-{self.revision}"}),
        }
        does, changes = ways[step]
        with self.db.begin() as session:
            does(session, code, who="ada", expected=None, reason="worn", at=happened, **changes)

    def _order(self, step: str, finding_id: Any, happened: datetime) -> None:
        kind: Any = {"close": OrderClosed, "void": OrderVoided, "reopen": OrderReopened}[step]
        reason = {"reason": "unfounded"} if step == "void" else {}
        follow(self.db, order(kind, finding_id, self.revision, happened, **reason))

    def _days_pass(self, days: int) -> None:
        """Note the rates that stand a second before each midnight."""
        for _ in range(days):
            day = CITY.day_of(self.at)
            with clock.frozen(CITY.end_of(day) - timedelta(seconds=1)):
                with self.db.begin() as session:
                    use_cases.expire_looks(session)
                self.known[day] = listed(self.db, by="grid")
            self.at += DAY
        assert all(0 <= (each.ratio or 0) <= 1 for rates in self.known.values() for each in rates)

    def days_are_as_they_were_known(self) -> None:
        assert {day: listed(self.db, by="grid", date=day) for day in self.known} == self.known

    def days_are_recounted_as_they_happened(self) -> None:
        for day in list(self.known)[:3]:
            found = listed(self.db, by="kind", rate="intact", date=day, view=View.HAPPENED)
            assert all(0 <= (each.ratio or 0) <= 1 for each in found)
            counted = self._happened(CITY.end_of(day))
            assert {each.kind: each.denominator for each in found if each.kind and each.denominator} == {
                kind: amount / 1000 for (figure, kind), amount in counted.items() if figure == Figure.IN_SERVICE
            }
            assert {each.kind: each.numerator for each in found if each.kind and each.denominator} == {
                kind: (amount - counted[Figure.DEFECTIVE, kind]) / 1000
                for (figure, kind), amount in counted.items()
                if figure == Figure.IN_SERVICE
            }

    def _happened(self, end: datetime) -> Counter[tuple[str, str]]:
        """From the lives of all facilities."""
        counted: Counter[tuple[str, str]] = Counter()
        with self.db.read() as session:
            ids = session.scalars(select(facilities.c.id)).all()
            for _, standing in past.standings_happened(session, ids, end):
                for (figure, *_), amount in amounts(standing, None):
                    counted[figure, standing.kind] += amount
        return counted

    def links_add_up(self) -> None:
        for day, view, by in product([*list(self.known)[:2], None], View, (By.GRID, By.KIND)):
            with self.db.read() as session:
                found = queries.list_rates(session, by=by, date=day, view=view, kind="street_light").items
                for rate in filter(attrgetter("facilities"), found):
                    must_add_up(RateOut().dump(rate), partial(all_behind, session))

    def lives_lead_to_the_present(self) -> None:
        """Replayed to this moment, each facility stands as it does."""
        with self.db.read() as session:
            rows = session.execute(select(*facilities.c).order_by(facilities.c.id)).all()
            replayed = past.standings_happened(session, [row.id for row in rows], self.at + DAY)
            assert {row.id: standing_of(row) for row in rows} == dict(replayed)
