"""What events do to facilities and rates, on a small city: in SQLite here, in PostgreSQL by the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from services.assets import figures, queries, use_cases
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import FILE
from services.assets.domain.facilities import Action, CodeTaken, Facility, IllegalChange
from services.assets.queries import past
from services.assets.tables import defects, facilities, mapping
from services.assets.use_cases import proofs
from services.assets.use_cases.defects import merge_twins
from shared import changes, clock, inbox, requests, tallies  # noqa: F401  their tables
from shared.db import Database, kernel
from shared.events import Event
from shared.events.assets import (
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    DefectRestored,
    FacilityChanged,
    FacilityRenumbered,
)
from shared.events.inspections import FindingConfirmed, LampLook, LightsChecked
from shared.events.workorders import OrderClosed, OrderReopened, OrderVoided

T = TypeVar("T", OrderClosed, OrderReopened, OrderVoided)
NIGHT = datetime(2026, 1, 15, 21, tzinfo=UTC)
NOON = datetime(2026, 1, 15, 10, tzinfo=UTC)
LAMPS = ["L-1", "L-2", "L-3"]
SQUARE = [[24.93, 60.16], [24.96, 60.16], [24.96, 60.18], [24.93, 60.18], [24.93, 60.16]]


@pytest.fixture(scope="module")
def a_city_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small city in SQLite, to be copied."""
    file = tmp_path_factory.mktemp("assets") / "city.db"
    for _ in a_city(f"sqlite:///{file}"):
        pass
    return file


@pytest.fixture
def db(a_city_file: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{copy(a_city_file, tmp_path / 'assets.db')}")
    with clock.frozen(NIGHT):
        yield database
    database.close()


def a_city(url: str) -> Iterator[Database]:
    """Found a small city in a new database, and let the clock stand still at night."""
    database = Database(url)
    mapping.metadata.create_all(database.engine.execution_options(writes=True))
    kernel.create_all(database.engine.execution_options(writes=True))
    with clock.frozen(NIGHT):
        with database.begin() as session:
            found_the_city(session)
        yield database
    database.close()


def found_anew(database: Database) -> None:
    """Forget everything that happened."""
    with database.begin() as session:
        for table in reversed([*kernel.sorted_tables, *mapping.metadata.sorted_tables]):
            session.execute(delete(table))
    with database.begin() as session:
        found_the_city(session)


def found_the_city(session: Session) -> None:
    polygon = {"type": "Polygon", "coordinates": [SQUARE]}
    use_cases.add_areas(session, level=Level.DISTRICT, drafts=[{"code": "centre", "geometry": polygon}])
    use_cases.add_areas(session, level=Level.GRID, drafts=[{"code": "G-1", "geometry": polygon, "district": "centre"}])
    lamps = [lamp(code, 24.94 + number / 1000) for number, code in enumerate(LAMPS)]
    use_cases.register_facilities(session, [*lamps, a_road()], who="ada")
    session.info.pop("outbox", None)


def lamp(code: str, longitude: float) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [longitude, 60.17]}
    return {"code": code, "kind": "street_light", "geometry": place, "maintainer": "Lighting South"}


def a_road() -> dict[str, Any]:
    route = {"type": "LineString", "coordinates": [[24.94, 60.1702], [24.95, 60.1702]]}
    return {"code": "R-1", "kind": "carriageway", "geometry": route, "measure": 100.0}


def confirmed(category: str = "lamp_out", code: str | None = "L-1", **more: Any) -> FindingConfirmed:
    about: dict[str, Any] = {
        "revision": 1,
        "happened_at": NIGHT,
        "recorded_at": NIGHT,
        "finding_id": uuid4(),
        "state": "confirmed",
        "category": category,
        "severity": "normal",
        "source": "patrol",
        "longitude": 24.94,
        "latitude": 60.17,
        "reported_at": NIGHT,
        "confirmed_at": NIGHT,
        "facility_code": code,
    }
    return FindingConfirmed(**about | more)


def order(kind: type[T], finding_id: UUID | None, revision: int, at: datetime = NIGHT, **more: Any) -> T:
    about: dict[str, Any] = {
        "revision": revision,
        "happened_at": at,
        "recorded_at": at,
        "number": f"WO-{finding_id}",
        "state": "closed",
        "category": "lamp_out",
        "severity": "normal",
        "registered_at": at,
        "due_at": at,
        "rework_count": 0,
        "finding_id": finding_id,
    }
    return kind(**about | more)


def checked(seen: dict[str, bool], at: datetime = NIGHT) -> LightsChecked:
    lamps = [LampLook(facility_code=code, lit=lit) for code, lit in seen.items()]
    return LightsChecked(revision=1, happened_at=at, recorded_at=at, check_id=uuid4(), lamps=lamps)


def record(db: Database, *events: FindingConfirmed) -> list[Event]:
    """Run the handler; return the events that it would let out."""
    with db.begin() as session:
        use_cases.record_defects(session, events)
        return list(session.info.get("outbox", []))


def the_defect(events: list[Event]) -> DefectRecorded:
    (defect,) = (each for each in events if isinstance(each, DefectRecorded))
    return defect


def follow(db: Database, *events: OrderClosed | OrderReopened | OrderVoided) -> list[Event]:
    with db.begin() as session:
        use_cases.follow_orders(session, events)
        return list(session.info.get("outbox", []))


def look(db: Database, *events: LightsChecked) -> None:
    with db.begin() as session:
        use_cases.record_looks(session, events)


def facility(db: Database, code: str) -> Facility:
    with db.read() as session:
        return queries.get_facility(session, code)


def rates(db: Database, **asked: Any) -> dict[tuple[str, str | None], Any]:
    with db.read() as session:
        found = queries.list_rates(session, by=asked.pop("by", "kind"), **asked)
        return {(each.rate, each.kind): each for each in found.items}


def the_sums_are_right(db: Database) -> None:
    kept = tallies.tallies.c
    by_name = select(kept.figure, kept.labels, func.sum(kept.amount)).group_by(kept.figure, kept.labels)
    with db.read() as session:
        sums = {(name, tuple(labels.split(tallies.LABEL_END))): n for name, labels, n in session.execute(by_name) if n}
        recounted = figures.recount(session)
    assert sums == {(name, labels): n for name, counts in recounted.items() for labels, n in counts.items()}


def test_a_confirmed_finding_is_a_defect_on_the_facility_of_its_code(db: Database) -> None:
    finding = confirmed()
    defect, changed = sorted(record(db, finding), key=lambda event: event.event_type)
    assert isinstance(defect, DefectRecorded)
    assert (defect.facility_code, defect.linked_by, defect.kind) == ("L-1", "code", "street_light")
    assert (defect.district, defect.grid, defect.maintainer) == ("centre", "G-1", "Lighting South")
    assert defect.open
    assert isinstance(changed, FacilityChanged)
    assert (changed.condition, changed.revision) == ("defective", 2)
    assert facility(db, "L-1").condition == "defective"
    assert rates(db)["intact", "street_light"].ratio == pytest.approx(2 / 3)
    the_sums_are_right(db)


def test_the_same_finding_heard_again_has_no_second_effect(db: Database) -> None:
    finding = confirmed()
    assert len(record(db, finding, finding)) == 2
    assert record(db, finding) == []
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(defects)) == 1
    the_sums_are_right(db)


def test_an_unknown_code_links_to_the_nearest_fitting_facility(db: Database) -> None:
    (defect,) = (
        each for each in record(db, confirmed(code="?", longitude=24.9411)) if isinstance(each, DefectRecorded)
    )
    assert (defect.facility_code, defect.linked_by) == ("L-2", "place")


def test_a_lamp_beside_the_road_does_not_get_the_pothole(db: Database) -> None:
    defect = the_defect(record(db, confirmed("pothole", None)))
    assert (defect.facility_code, defect.linked_by) == ("R-1", "place")


def test_a_code_of_a_facility_that_cannot_have_such_a_defect_is_not_believed(db: Database) -> None:
    defect = the_defect(record(db, confirmed("pothole", "L-1")))
    assert defect.facility_code == "R-1"


def test_a_finding_far_from_everything_stays_unlinked_and_says_so(db: Database) -> None:
    defect = the_defect(record(db, confirmed(code=None, longitude=24.95, latitude=60.178)))
    assert (defect.facility_code, defect.linked_by, defect.district, defect.grid) == (None, "none", "centre", "G-1")
    the_sums_are_right(db)


def test_what_nobody_can_name_is_never_linked_by_place(db: Database) -> None:
    defect = the_defect(record(db, confirmed("other", None)))
    assert defect.linked_by == "none"


def test_a_finding_without_a_place_lies_where_its_lamp_stands(db: Database) -> None:
    defect = the_defect(record(db, confirmed(longitude=None, latitude=None)))
    assert (defect.longitude, defect.latitude) == (24.94, 60.17)


def test_a_category_that_does_not_break_the_function_leaves_the_rate_alone(db: Database) -> None:
    assert not the_defect(record(db, confirmed("lamp_flicker"))).breaks_function
    assert facility(db, "L-1").condition == "intact"
    assert rates(db)["intact", "street_light"].ratio == 1


def test_a_pothole_of_twelve_square_metres_takes_twelve_not_the_road(db: Database) -> None:
    record(db, confirmed("pothole", "R-1", quantity=12.0))
    assert rates(db)["intact", "carriageway"].ratio == pytest.approx(0.88)


def test_overlapping_defects_take_no_more_than_the_road(db: Database) -> None:
    record(db, confirmed("pothole", "R-1", quantity=70.0), confirmed("subsidence", "R-1", quantity=60.0))
    assert rates(db)["intact", "carriageway"].numerator == 0
    the_sums_are_right(db)


def test_a_leakage_is_an_emergency_whatever_was_reported(db: Database) -> None:
    defect = the_defect(record(db, confirmed("leakage")))
    assert defect.severity == "emergency"


def test_a_closed_order_restores_the_facility(db: Database) -> None:
    finding = confirmed()
    record(db, finding)
    restored, changed = sorted(follow(db, order(OrderClosed, finding.finding_id, 6)), key=lambda e: e.event_type)
    assert isinstance(restored, DefectRestored)
    assert (restored.reason, restored.open, restored.revision) == ("repaired", False, 2)
    assert isinstance(changed, FacilityChanged)
    assert changed.condition == "intact"
    assert rates(db)["intact", "street_light"].ratio == 1
    the_sums_are_right(db)


def test_a_facility_with_two_defects_is_restored_by_the_second_repair(db: Database) -> None:
    one, other = confirmed(), confirmed("pole_damaged")
    record(db, one, other)
    follow(db, order(OrderClosed, one.finding_id, 6))
    assert facility(db, "L-1").condition == "defective"
    follow(db, order(OrderClosed, other.finding_id, 6))
    assert facility(db, "L-1").condition == "intact"


@pytest.mark.parametrize("reason", ["unfounded", "duplicate"])
def test_an_order_voided_as_no_problem_lifts_the_defect(db: Database, reason: str) -> None:
    finding = confirmed()
    record(db, finding)
    (restored,) = (
        each
        for each in follow(db, order(OrderVoided, finding.finding_id, 3, reason=reason))
        if isinstance(each, DefectRestored)
    )
    assert restored.reason == reason
    assert facility(db, "L-1").condition == "intact"


def test_an_order_handed_over_leaves_the_defect(db: Database) -> None:
    finding = confirmed()
    record(db, finding)
    assert follow(db, order(OrderVoided, finding.finding_id, 3, reason="handed_over")) == []
    assert facility(db, "L-1").condition == "defective"


def test_the_newest_revision_of_an_order_wins_whatever_comes_first(db: Database) -> None:
    finding = confirmed()
    record(db, finding)
    closed = order(OrderClosed, finding.finding_id, 6)
    reopened = order(OrderReopened, finding.finding_id, 7)
    follow(db, reopened)
    assert follow(db, closed) == []
    assert facility(db, "L-1").condition == "defective"
    the_sums_are_right(db)


def test_a_reopened_order_opens_the_defect_again(db: Database) -> None:
    finding = confirmed()
    record(db, finding)
    follow(db, order(OrderClosed, finding.finding_id, 6))
    again = follow(db, order(OrderReopened, finding.finding_id, 7))
    assert any(isinstance(each, DefectRecorded) and each.open and each.revision == 3 for each in again)
    assert facility(db, "L-1").condition == "defective"


def test_an_order_from_an_alert_concerns_no_defect(db: Database) -> None:
    assert follow(db, order(OrderClosed, None, 6)) == []


def test_an_order_for_a_defect_that_we_never_had_is_not_passed_over_silently(db: Database) -> None:
    with pytest.raises(LookupError):
        follow(db, order(OrderClosed, uuid4(), 6))


def test_without_a_look_there_is_no_light_on_rate(db: Database) -> None:
    assert ("light_on_sampled", "street_light") not in rates(db)
    assert "waywarden_light_on_ratio{" not in scraped(db)


def test_the_latest_look_at_a_lamp_counts(db: Database) -> None:
    look(db, checked({"L-1": True, "L-2": True, "nobody's": False, "R-1": True}))
    look(db, checked({"L-1": False}, NIGHT + timedelta(minutes=5)), checked({"L-2": False}, NIGHT - timedelta(hours=1)))
    rate = rates(db)["light_on_sampled", "street_light"]
    assert (rate.numerator, rate.denominator, rate.window_days) == (1, 2, 30)
    the_sums_are_right(db)


def test_a_look_by_day_does_not_count(db: Database) -> None:
    look(db, checked({"L-1": False}, NOON))
    assert ("light_on_sampled", "street_light") not in rates(db)
    the_sums_are_right(db)


def test_a_check_heard_twice_counts_once(db: Database) -> None:
    check = checked({"L-1": True})
    look(db, check, check)
    look(db, check)
    assert rates(db)["light_on_sampled", "street_light"].denominator == 1
    the_sums_are_right(db)


def test_looks_older_than_the_window_leave_the_figure(db: Database) -> None:
    look(db, checked({"L-1": True, "L-2": False}))
    with clock.frozen(NIGHT + timedelta(days=29)):
        look(db, checked({"L-3": True}, NIGHT + timedelta(days=29)))
    with clock.frozen(NIGHT + timedelta(days=30, minutes=1)), db.begin() as session:
        assert use_cases.expire_looks(session) == 2
    with clock.frozen(NIGHT + timedelta(days=30, minutes=1)):
        assert rates(db)["light_on_sampled", "street_light"].denominator == 1
        the_sums_are_right(db)


def test_a_passed_check_of_a_repaired_lamp_at_night_is_a_lit_look(db: Database) -> None:
    by_night, by_day = confirmed(), confirmed(code="L-2")
    record(db, by_night, by_day)
    look(db, checked({"L-1": False}, NIGHT - timedelta(hours=1)))
    follow(db, order(OrderClosed, by_night.finding_id, 6), order(OrderClosed, by_day.finding_id, 6, NOON))
    rate = rates(db)["light_on_sampled", "street_light"]
    assert (rate.numerator, rate.denominator) == (1, 1)
    the_sums_are_right(db)


def test_what_is_out_of_service_stands_beside_the_rate(db: Database) -> None:
    look(db, checked({"L-1": False, "L-2": True}))
    record(db, confirmed())
    with db.begin() as session:
        use_cases.act_on_facility(
            session, "L-1", action=Action.PUT_OUT_OF_SERVICE, who="ada", expected=None, reason="tram works"
        )
    rate = rates(db)["intact", "street_light"]
    assert (rate.numerator, rate.denominator) == (2, 2)
    assert rate.out_of_service == {"facilities": 1, "quantity": 1.0, "reasons": {"tram works": 1}}
    assert rates(db)["light_on_sampled", "street_light"].ratio == 1
    the_sums_are_right(db)


def test_the_composite_is_the_weighted_mean_of_the_kinds(db: Database) -> None:
    record(db, confirmed(), confirmed("pothole", "R-1", quantity=50.0))
    composite = rates(db, by="district")["intact", None]
    assert composite.weights == {"street_light": 3.0, "carriageway": 3.0}
    assert composite.ratio == pytest.approx((3 * 2 / 3 + 3 * 0.5) / 6)


def test_a_code_that_is_taken_is_refused(db: Database) -> None:
    with pytest.raises(CodeTaken), db.begin() as session:
        use_cases.register_facility(session, who="ada", **lamp("L-1", 24.95))


def test_a_facility_that_moves_falls_into_other_areas_and_is_found_there(db: Database) -> None:
    with db.begin() as session:
        far = {"type": "Point", "coordinates": [24.8, 60.1]}
        use_cases.revise_facility(session, "L-1", who="ada", expected=1, geometry=far)
    assert facility(db, "L-1").district is None
    with db.read() as session:
        near = queries.list_facilities(session, limit=10, near=(24.8, 60.1, 20))
    assert [each.code for each in near.items] == ["L-1"]
    the_sums_are_right(db)


def test_every_change_leaves_a_row_in_the_life_of_the_facility(db: Database) -> None:
    finding = confirmed()
    record(db, finding)
    follow(db, order(OrderClosed, finding.finding_id, 6))
    with db.begin() as session:
        use_cases.act_on_facility(session, "L-1", action=Action.RETIRE, who="ada", expected=None, reason="replaced")
    with db.read() as session:
        life = queries.list_history(session, "L-1", limit=10).items
    assert [deed.what for deed in life] == ["registered", "defect_recorded", "defect_restored", "retired"]
    assert [deed.who for deed in life] == ["ada", "inspections", "workorders", "ada"]


def test_the_catalogue_is_published_once(db: Database) -> None:
    with db.begin() as session:
        assert use_cases.publish_catalogue(session, FILE.read_text()) == 1
        assert [type(each) for each in session.info["outbox"]] == [CataloguePublished]
    with db.begin() as session:
        assert use_cases.publish_catalogue(session, FILE.read_text()) == 1
        assert "outbox" not in session.info


def test_metrics_show_the_ratios_by_kind_and_district(db: Database) -> None:
    record(db, confirmed())
    look(db, checked({"L-1": False, "L-2": True}))
    text = scraped(db)
    assert 'waywarden_facilities{condition="defective",district="centre",kind="street_light"} 1.0' in text
    assert 'waywarden_intact_ratio{district="centre",kind="street_light"} 0.666' in text
    assert 'waywarden_light_on_ratio{district="centre",kind="street_light",method="sampled"} 0.5' in text
    assert 'waywarden_lamps_checked{district="centre",kind="street_light",method="sampled"} 2.0' in text


def scraped(db: Database) -> str:
    class Once:
        def collect(self) -> Any:
            return metrics

    with db.read() as session:
        metrics = list(figures.collect(session))
    registry = CollectorRegistry()
    registry.register(Once())
    return generate_latest(registry).decode()


STEPS = st.one_of(
    st.tuples(st.just("find"), st.sampled_from([*LAMPS, "R-1", None]), st.floats(0.001, 90)),
    st.tuples(st.just("close"), st.integers(0, 9), st.integers(1, 9)),
    st.tuples(st.just("void"), st.integers(0, 9), st.integers(1, 9)),
    st.tuples(st.just("reopen"), st.integers(0, 9), st.integers(1, 9)),
    st.tuples(st.just("look"), st.sampled_from(LAMPS), st.booleans()),
    st.tuples(st.just("act"), st.sampled_from([*LAMPS, "R-1"]), st.sampled_from(list(Action))),
    st.tuples(st.just("move"), st.sampled_from(LAMPS), st.floats(24.9, 25.0)),
    st.tuples(st.just("later"), st.floats(0, 20), st.none()),
)


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from a_city(f"sqlite:///{tmp_path_factory.mktemp('assets')}/assets.db")


@pytest.mark.thorough
@given(steps=st.lists(STEPS, max_size=15))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_ratios_stay_within_0_and_1_and_equal_a_recount(
    one_db: Database, steps: list[tuple[str, Any, Any]]
) -> None:
    found_anew(one_db)
    at, findings = NIGHT, [confirmed(category="pothole", code="R-1", quantity=5.0)]
    record(one_db, *findings)
    for step, one, other in steps:
        at += timedelta(days=one) if step == "later" else timedelta(minutes=1)
        with clock.frozen(at):
            happen(one_db, step, one, other, findings, at)
            assert all(0 <= (each.ratio or 0) <= 1 for each in rates(one_db, by="district").values())
            the_sums_are_right(one_db)


def happen(db: Database, step: str, one: Any, other: Any, findings: list[FindingConfirmed], at: datetime) -> None:
    if step == "find":
        category = "pothole" if one == "R-1" else "lamp_out"
        findings.append(confirmed(category, one, quantity=other, happened_at=at))
        record(db, findings[-1])
    elif step in ("close", "void", "reopen"):
        kind = {"close": OrderClosed, "void": OrderVoided, "reopen": OrderReopened}[step]
        reason = {"reason": "unfounded"} if step == "void" else {}
        follow(db, order(kind, findings[one % len(findings)].finding_id, other, at, **reason))
    elif step == "look":
        look(db, checked({one: other}, at))
    elif step == "later":
        with db.begin() as session:
            use_cases.expire_looks(session)
    else:
        change(db, step, one, other)


def change(db: Database, step: str, code: str, what: Any) -> None:
    try:
        with db.begin() as session:
            if step == "act":
                use_cases.act_on_facility(session, code, action=what, who="ada", expected=None)
            else:
                place = {"type": "Point", "coordinates": [what, 60.17]}
                use_cases.revise_facility(session, code, who="ada", expected=None, geometry=place)
    except IllegalChange:
        pass


# --- one thing, one defect


def duplicates(events: list[Event]) -> list[DefectDuplicated]:
    return [each for each in events if isinstance(each, DefectDuplicated)]


def open_defects(db: Database) -> set[UUID]:
    with db.read() as session:
        return set(session.scalars(select(defects.c.finding_id).where(defects.c.open)))


def test_of_two_reports_by_place_the_first_stands_for_both(db: Database) -> None:
    first, second = confirmed(code=None), confirmed(code=None, longitude=24.94001)
    record(db, first)
    (told,) = record(db, second)
    assert isinstance(told, DefectDuplicated)
    assert (told.finding_id, told.duplicate_of, told.revision) == (second.finding_id, first.finding_id, 1)
    assert (told.facility_code, told.linked_by, told.open) == ("L-1", "place", False)
    assert open_defects(db) == {first.finding_id}
    assert record(db, second) == []
    the_sums_are_right(db)


@pytest.mark.parametrize("codes", [(None, "NEW"), ("NEW", None), ("NEW", "NEW"), ("L-1", "NEW"), ("NEW", "L-1")])
def test_however_two_reports_name_a_lamp_it_has_one_defect(db: Database, codes: tuple[str | None, str | None]) -> None:
    with db.begin() as session:
        use_cases.renumber_facility(session, "L-1", who="ada", expected=None, new_code="NEW", reason="Survey.")
    first, second = (confirmed(code=code) for code in codes)
    record(db, first)
    assert [each.duplicate_of for each in duplicates(record(db, second))] == [first.finding_id]
    assert open_defects(db) == {first.finding_id}


def test_of_two_reports_in_one_batch_the_one_that_was_reported_first_stands(db: Database) -> None:
    early, late = confirmed(reported_at=NOON), confirmed(reported_at=NIGHT)
    told = record(db, late, early)
    assert the_defect(told).finding_id == early.finding_id
    assert [each.finding_id for each in duplicates(told)] == [late.finding_id]


def test_other_categories_and_other_lamps_stand_beside_it(db: Database) -> None:
    told = record(db, confirmed(), confirmed("pole_damaged"), confirmed(code="L-2"))
    assert duplicates(told) == []
    assert len(open_defects(db)) == 3


def test_a_road_has_as_many_potholes_as_are_found(db: Database) -> None:
    told = record(db, confirmed("pothole", "R-1"), confirmed("pothole", "R-1"))
    assert duplicates(told) == []


def test_a_lamp_that_is_dark_again_after_its_repair_is_a_new_defect(db: Database) -> None:
    first, again = confirmed(), confirmed()
    record(db, first)
    follow(db, order(OrderClosed, first.finding_id, 6))
    assert the_defect(record(db, again)).finding_id == again.finding_id


def test_an_order_that_is_reopened_gives_way_to_the_one_that_stands(db: Database) -> None:
    first, second = confirmed(), confirmed()
    record(db, first)
    follow(db, order(OrderClosed, first.finding_id, 6))
    record(db, second)
    (told,) = follow(db, order(OrderReopened, first.finding_id, 8))
    assert isinstance(told, DefectDuplicated)
    assert (told.finding_id, told.duplicate_of, told.revision) == (first.finding_id, second.finding_id, 3)
    assert open_defects(db) == {second.finding_id}
    follow(db, order(OrderVoided, first.finding_id, 9, reason="duplicate"))
    follow(db, order(OrderClosed, second.finding_id, 6))
    assert facility(db, "L-1").condition == "intact"
    the_sums_are_right(db)


def test_an_order_that_closes_makes_room_for_the_one_that_is_reopened_with_it(db: Database) -> None:
    first, second = confirmed(), confirmed()
    record(db, first)
    follow(db, order(OrderClosed, first.finding_id, 6))
    record(db, second)
    told = follow(db, order(OrderReopened, first.finding_id, 8), order(OrderClosed, second.finding_id, 6))
    assert duplicates(told) == []
    assert open_defects(db) == {first.finding_id}


def test_twins_of_a_former_version_are_found_and_mended(db: Database) -> None:
    first, second = confirmed(), confirmed()
    with clock.frozen(NOON):
        record(db, first)
        follow(db, order(OrderClosed, first.finding_id, 6))
    record(db, second)
    with db.begin() as session:
        session.execute(update(defects).where(defects.c.finding_id == first.finding_id).values(open=True))
        (ids,) = zip(*session.execute(select(facilities.c.id)), strict=True)
        assert len(proofs.with_twins(session, ids)) == 1
        merge_twins(session, ids)
        told = list(session.info["outbox"])
        assert proofs.with_twins(session, ids) == set()
    ended = [each for each in told if isinstance(each, DefectRestored)]
    assert [(each.finding_id, each.reason) for each in ended] == [(second.finding_id, "duplicate")]
    assert [(each.duplicate_of, each.revision) for each in duplicates(told)] == [(first.finding_id, 2)]
    assert open_defects(db) == {first.finding_id}
    the_sums_are_right(db)


# --- late word of what is repaired already


def hours_ago(hours: float) -> datetime:
    return NIGHT - timedelta(hours=hours)


def repaired(db: Database, *, found: float = 6, done: float = 4, **more: Any) -> FindingConfirmed:
    """A lamp that was found dark, repaired and checked: so many hours ago; the check was an hour ago."""
    first = confirmed(found_at=hours_ago(found), reported_at=hours_ago(found), **more)
    record(db, first)
    follow(db, order(OrderClosed, first.finding_id, 6, at=hours_ago(1), disposed_at=hours_ago(done)))
    return first


@pytest.mark.parametrize("code", ["L-1", None, "OLD"])
@pytest.mark.parametrize("hours", [8, 5, 4.1])
def test_what_was_seen_before_the_work_was_done_is_about_what_is_repaired(
    db: Database, code: str | None, hours: float
) -> None:
    first = repaired(db)
    if code == "OLD":
        with db.begin() as session:
            use_cases.renumber_facility(session, "L-1", who="ada", expected=None, new_code="NEW", reason="Survey.")
        code = "L-1"
    before, revision = rates(db), facility(db, "L-1").revision
    late = confirmed(code=code, found_at=hours_ago(hours))
    (told,) = record(db, late)
    assert isinstance(told, DefectDuplicated)
    assert (told.finding_id, told.duplicate_of, told.revision) == (late.finding_id, first.finding_id, 1)
    assert (told.open, told.done_at) == (False, hours_ago(4))
    assert open_defects(db) == set()
    assert (facility(db, "L-1").condition, facility(db, "L-1").revision) == ("intact", revision)
    assert rates(db) == before
    assert record(db, late) == []
    the_sums_are_right(db)


def test_late_word_of_what_is_repaired_changes_no_past_either(db: Database) -> None:
    repaired(db)
    (lamp_id,) = [facility(db, "L-1").id]

    def happened() -> list[Any]:
        with db.read() as session:
            moments = [hours_ago(each) for each in (7, 5.5, 4.5, 2, 0)]
            return [list(past.standings_happened(session, [lamp_id or 0], each)) for each in moments]

    before = happened()
    record(db, confirmed(found_at=hours_ago(5)))
    assert happened() == before


def test_what_was_seen_after_the_work_was_done_is_a_new_defect(db: Database) -> None:
    repaired(db)
    again = confirmed(found_at=hours_ago(3.9))
    assert the_defect(record(db, again)).finding_id == again.finding_id
    assert facility(db, "L-1").condition == "defective"


def test_what_was_seen_minutes_before_the_work_was_done_may_be_of_after_it(db: Database) -> None:
    """A lost report is worse than a second visit, and clocks differ by minutes."""
    repaired(db)
    assert the_defect(record(db, confirmed(found_at=hours_ago(4) - timedelta(minutes=4))))


def test_a_clock_that_ran_ahead_swallows_nothing_new(db: Database) -> None:
    """Of a phone or a service: the work was done, or the first one found, hours from now."""
    for at in ({"done": -8, "found": 6}, {"done": 4, "found": -8}):
        repaired(db, **at)
        again = confirmed(found_at=NIGHT)
        assert the_defect(record(db, again)).finding_id == again.finding_id
        follow(db, order(OrderVoided, again.finding_id, 3, reason="unfounded"))


def test_what_says_no_time_was_seen_when_it_was_reported(db: Database) -> None:
    repaired(db)
    assert duplicates(record(db, confirmed(reported_at=hours_ago(5))))
    assert the_defect(record(db, confirmed(reported_at=hours_ago(2))))


def test_no_work_was_done_before_its_defect_was_found(db: Database) -> None:
    repaired(db, found=3, done=5)
    (told,) = duplicates(record(db, confirmed(found_at=hours_ago(3.5))))
    assert told.done_at == hours_ago(3)


def test_of_several_repairs_the_first_one_after_the_sighting_is_meant(db: Database) -> None:
    first, second = repaired(db, found=20, done=18), repaired(db, found=10, done=8)
    asked = {19: first, 12: second, 9: second}
    for hours, meant in asked.items():
        (told,) = duplicates(record(db, confirmed(found_at=hours_ago(hours))))
        assert told.duplicate_of == meant.finding_id
    standing = confirmed(found_at=hours_ago(0.5))
    told_both = record(db, standing, late := confirmed(found_at=hours_ago(9)))
    assert the_defect(told_both).finding_id == standing.finding_id
    assert [(each.finding_id, each.duplicate_of) for each in duplicates(told_both)] == [
        (late.finding_id, second.finding_id)
    ]


@pytest.mark.parametrize("late_first", [True, False])
def test_late_word_that_is_heard_before_the_order_is_closed_ends_alike(db: Database, late_first: bool) -> None:
    first, late = confirmed(found_at=hours_ago(6)), confirmed(code=None, found_at=hours_ago(5))
    record(db, first)
    closed = order(OrderClosed, first.finding_id, 6, disposed_at=hours_ago(4))
    told = record(db, late) if late_first else []
    told += follow(db, closed)
    told += [] if late_first else record(db, late)
    assert [each.duplicate_of for each in duplicates(told)] == [first.finding_id]
    assert open_defects(db) == set()
    assert facility(db, "L-1").condition == "intact"
    the_sums_are_right(db)


def test_work_that_began_again_and_is_done_later_moves_what_is_late(db: Database) -> None:
    first = repaired(db)
    again = order(OrderClosed, first.finding_id, 12, disposed_at=hours_ago(2))
    follow(db, order(OrderReopened, first.finding_id, 7), again)
    assert duplicates(record(db, confirmed(found_at=hours_ago(3))))


def test_what_is_not_repaired_takes_no_late_word(db: Database) -> None:
    void, code = confirmed(found_at=hours_ago(6)), "L-2"
    record(db, void)
    follow(db, order(OrderVoided, void.finding_id, 3, reason="unfounded"))
    repaired(db, code=code)
    told = record(db, confirmed(found_at=hours_ago(5)), confirmed("pole_damaged", code, found_at=hours_ago(5)))
    assert duplicates(told) == []
    assert len(open_defects(db)) == 2


def test_a_road_may_have_had_another_pothole_then(db: Database) -> None:
    repaired(db, category="pothole", code="R-1")
    assert duplicates(record(db, confirmed("pothole", "R-1", found_at=hours_ago(5)))) == []


def test_a_facility_says_all_codes_that_it_had_when_it_gets_another(db: Database) -> None:
    told = []
    for code, new in (("L-1", "NEW"), ("NEW", "NEWER"), ("NEWER", "L-1")):
        with db.begin() as session:
            use_cases.renumber_facility(session, code, who="ada", expected=None, new_code=new, reason="Survey.")
            told += [each for each in session.info["outbox"] if isinstance(each, FacilityRenumbered)]
    with db.begin() as session:
        use_cases.replace_facility(session, "L-1", who="ada", expected=None, new_code="NEXT", reason="Fell.")
        told += [each for each in session.info["outbox"] if isinstance(each, FacilityRenumbered)]
    said = [(each.code, each.former_codes) for each in told]
    all_of_them = ["L-1", "NEW", "NEWER"]
    assert said == [("NEW", ["L-1"]), ("NEWER", ["L-1", "NEW"]), ("L-1", ["NEW", "NEWER"]), ("NEXT", all_of_them)]
    assert [each.revision for each in told] == sorted({each.revision for each in told})
