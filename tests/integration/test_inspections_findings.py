"""Findings through the use cases, on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest
from sqlalchemy import select

from deploy.recount import recount_rows
from services.inspections import figures, queries, tables, use_cases
from services.inspections.domain.findings import (
    ALL,
    CannotMerge,
    Finding,
    FindingExists,
    IllegalMove,
    Sight,
    State,
    UnknownFinding,
)
from services.inspections.domain.light_checks import LightCheck, Outcome, UnknownLightCheck
from services.inspections.domain.rulebook import UnknownCategory, WrongSourceName
from shared import clock, tallies
from shared.db import Database
from shared.errors import Stale
from shared.events.assets import (
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    FacilityRenumbered,
    LampJudged,
    LampMisbehaved,
    LightsJudged,
)
from shared.events.workorders import OrderClosed, OrderEvent, OrderReopened, OrderVoided
from shared.outbox import outbox
from tests.integration.databases import ENGINES, left_as_found, migrated

NIGHT = datetime(2026, 3, 2, 20, tzinfo=UTC)
CATALOGUE: dict[str, Any] = {
    "kinds": {"street_light": {"group": "lighting"}},
    "categories": {
        "lamp_out": {"groups": ["lighting"], "severity": "normal", "single": True},
        "pothole": {"groups": ["roads"], "severity": "serious", "single": False},
    },
    "lighting": {
        "longitude": 24.945, "latitude": 60.17, "timezone": "Europe/Helsinki",
        "on_after_sunset_min": 0, "off_before_sunrise_min": 0,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "inspections", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NIGHT), left_as_found(made, tables.mapping.metadata) as lent:
        yield lent
        with lent.read() as session:
            queries.forget_rulebook(session)


def publish(database: Database, revision: int = 1, content: dict[str, Any] = CATALOGUE) -> None:
    event = CataloguePublished(revision=revision, happened_at=NIGHT, recorded_at=NIGHT, name="city", catalogue=content)
    with database.begin() as session:
        use_cases.keep_catalogue(session, [event])


def report(database: Database, **more: Any) -> Finding:
    known: dict[str, Any] = {
        "reporter": "inspector-1", "role": "inspector", "category": "lamp_out", "severity": "normal",
        "source": "patrol", "found_at": NIGHT, "location": {"lon": 24.94, "lat": 60.17}, "facility_code": "L-1",
    }  # fmt: skip
    with database.begin() as session:
        return use_cases.report_finding(session, **known | more)


def hotline(database: Database, **more: Any) -> Finding:
    return report(database, **{"source": "hotline", "role": "operator", "reporter": "operator-1"} | more)


def see(database: Database, lit: dict[str, bool], at: datetime = NIGHT) -> LightCheck:
    """What a patrol saw, before anybody has judged it."""
    lamps = [{"facility_code": code, "lit": burns} for code, burns in lit.items()]
    with database.begin() as session:
        return use_cases.check_lights(session, inspector="inspector-1", checked_at=at, lamps=lamps)


def judgement(
    check: LightCheck,
    planned: bool | None = True,
    reason: str = "",
    other: Mapping[str, bool | None] = MappingProxyType({}),
) -> LightsJudged:
    """That all its lamps should have burnt, or should not; or, by code, otherwise."""
    lamps = [
        LampJudged(facility_code=each.facility_code, lit=each.lit, planned=other.get(each.facility_code, planned),
                   reason=reason)
        for each in check.lamps
    ]  # fmt: skip
    return LightsJudged(revision=1, happened_at=NIGHT, recorded_at=NIGHT, check_id=check.id, lamps=lamps)


def judge(database: Database, *events: LightsJudged) -> list[LightCheck]:
    with database.begin() as session:
        use_cases.follow_judgements(session, events)
    with database.read() as session:
        return [queries.get_light_check(session, each.check_id) for each in events]


def look(database: Database, lit: dict[str, bool]) -> LightCheck:
    """A look at lamps that should burn."""
    return judge(database, judgement(see(database, lit)))[0]


def stored(database: Database, finding_id: UUID) -> Finding:
    with database.read() as session:
        return queries.get_finding(session, finding_id)


def told(database: Database) -> list[str]:
    with database.read() as session:
        types = session.scalars(select(outbox.c.event_type).order_by(outbox.c.id))
        return [each.split(".")[1].removeprefix("finding_") for each in types]


def order(event: type[OrderEvent], finding_id: UUID | None, revision: int, **more: Any) -> Any:
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "number": "20260302-000001",
        "state": "closed", "category": "lamp_out", "severity": "normal", "registered_at": NIGHT, "due_at": NIGHT,
        "rework_count": 0, "finding_id": finding_id,
    }  # fmt: skip
    return event(**known | more)


def follow(database: Database, *events: Any) -> None:
    with database.begin() as session:
        use_cases.follow_orders(session, list(events))


def link(database: Database, finding_id: UUID, revision: int = 1, **more: Any) -> None:
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "finding_id": finding_id, "open": True,
        "category": "lamp_out", "severity": "normal", "source": "patrol", "longitude": 24.94, "latitude": 60.17,
        "breaks_function": True, "linked_by": "code", "reported_at": NIGHT, "confirmed_at": NIGHT,
        "facility_code": "L-1",
    }  # fmt: skip
    with database.begin() as session:
        use_cases.note_links(session, [DefectRecorded(**known | more)])


def test_a_patrols_finding_is_told_as_confirmed_and_nothing_else(database: Database) -> None:
    assert report(database).state is State.CONFIRMED
    assert told(database) == ["confirmed"]


def test_a_hotline_report_is_confirmed_by_hand(database: Database) -> None:
    finding = hotline(database)
    with database.begin() as session:
        use_cases.confirm_finding(session, finding_id=finding.id, by="operator-1", expected=1, note="Seen.")
    assert told(database) == ["reported", "confirmed"]
    with database.read() as session:
        moves = queries.find_moves(session, finding.id, sight=ALL, limit=10, cursor=None).items
        assert [(move.move, move.moved_by, move.note) for move in moves] == [("confirm", "operator-1", "Seen.")]


def test_a_move_from_a_stale_reading_is_refused(database: Database) -> None:
    finding = hotline(database)
    with pytest.raises(Stale), database.begin() as session:
        use_cases.reject_finding(session, finding_id=finding.id, by="o", reason="Private land.", expected=7)
    assert stored(database, finding.id).state is State.REPORTED


def test_a_rejected_finding_keeps_its_reason(database: Database) -> None:
    finding = hotline(database)
    with database.begin() as session:
        use_cases.reject_finding(session, finding_id=finding.id, by="o", reason="Private land.")
    assert (stored(database, finding.id).state, stored(database, finding.id).reason) == ("rejected", "Private land.")
    with pytest.raises(IllegalMove), database.begin() as session:
        use_cases.confirm_finding(session, finding_id=finding.id, by="o")


def test_two_reports_are_merged_by_hand(database: Database) -> None:
    one, other = hotline(database, category="pothole"), hotline(database, category="pothole")
    with pytest.raises(CannotMerge), database.begin() as session:
        use_cases.merge_finding(session, finding_id=one.id, by="o", into=uuid4())
    with database.begin() as session:
        use_cases.merge_finding(session, finding_id=one.id, by="o", into=other.id)
    assert stored(database, one.id).merged_into == other.id


def test_a_second_report_of_a_dark_lamp_is_merged_at_once(database: Database) -> None:
    publish(database)
    first, second = report(database), report(database)
    assert (second.state, second.merged_into) == (State.MERGED, first.id)
    assert told(database) == ["confirmed", "merged"]


def test_a_patrol_confirms_what_the_hotline_reported_before(database: Database) -> None:
    publish(database)
    first, second = hotline(database), report(database)
    assert stored(database, first.id).state is State.CONFIRMED
    assert second.merged_into == first.id
    assert told(database) == ["reported", "confirmed", "merged"]


def test_a_pothole_may_be_reported_beside_another(database: Database) -> None:
    publish(database)
    assert [report(database, category="pothole").state for _ in range(2)] == [State.CONFIRMED] * 2


def test_a_lamp_that_was_repaired_can_be_reported_anew(database: Database) -> None:
    publish(database)
    first = report(database)
    follow(database, order(OrderClosed, first.id, 5))
    assert stored(database, first.id).state is State.RESOLVED
    assert report(database).state is State.CONFIRMED


def test_an_id_is_used_once(database: Database) -> None:
    finding = report(database)
    with pytest.raises(FindingExists):
        report(database, id=finding.id)


def test_a_category_is_looked_up_in_the_newest_catalogue(database: Database) -> None:
    publish(database, 2)
    publish(database, 1, {"categories": {"unicorn": {}}})
    with pytest.raises(UnknownCategory):
        report(database, category="unicorn")


def test_an_inspector_sees_their_own_findings_only(database: Database) -> None:
    mine, foreign = report(database), report(database, reporter="inspector-2", facility_code="L-2")
    with database.read() as session:
        seen = queries.find_findings(session, sight=Sight("inspector-1"), limit=10, cursor=None).items
        assert [each.id for each in seen] == [mine.id]
        for beyond in (foreign.id, uuid4()):
            with pytest.raises(UnknownFinding):
                queries.get_finding(session, beyond, sight=Sight("inspector-1"))


def test_a_units_people_see_what_they_reported_and_what_is_their_units(database: Database) -> None:
    mine, theirs, others = (
        report(database),
        report(database, facility_code="L-2"),
        report(database, facility_code="L-3"),
    )
    link(database, theirs.id, maintainer="lights")
    link(database, others.id, owner="roads")
    with database.read() as session:
        sight = Sight("inspector-1", "lights")
        seen = queries.find_findings(session, sight=Sight("operator-1", "lights"), limit=9, cursor=None)
        assert [each.id for each in seen.items] == [theirs.id]
        assert queries.get_finding(session, mine.id, sight=sight).id == mine.id


@pytest.mark.parametrize("expected", [None, 1, 99])
def test_what_another_unit_has_cannot_be_decided_on_and_seems_not_to_be_there(
    database: Database, expected: int | None
) -> None:
    finding, other = hotline(database), hotline(database, category="pothole")
    link(database, finding.id, owner="roads")
    sight = Sight("operator-9", "lights")
    how: dict[str, Any] = {"by": "operator-9", "sight": sight, "expected": expected}
    for decide, more in (
        (use_cases.confirm_finding, {}),
        (use_cases.reject_finding, {"reason": "no"}),
        (use_cases.merge_finding, {"into": other.id}),
    ):
        for beyond in (finding.id, uuid4()):
            with database.begin() as session, pytest.raises(UnknownFinding) as refused:
                decide(session, finding_id=beyond, **how, **more)
            assert refused.value.foreign == (beyond == finding.id)
    assert stored(database, finding.id).state is State.REPORTED


def test_findings_come_by_pages_and_filters(database: Database) -> None:
    reported = []
    for number in range(5):
        with clock.frozen(NIGHT + timedelta(seconds=number)):
            reported.append(report(database, facility_code=f"L-{number}").id)
    with database.read() as session:
        first = queries.find_findings(session, sight=ALL, limit=3, cursor=None)
        rest = queries.find_findings(session, sight=ALL, limit=3, cursor=first.next)
        assert [each.id for each in [*first.items, *rest.items]] == reported[::-1]
        assert rest.next is None
        wanted: dict[str, Any] = {"state": ["confirmed"], "facility_code": "L-3"}
        assert [f.id for f in queries.find_findings(session, sight=ALL, limit=3, cursor=None, **wanted).items] == [
            reported[3]
        ]


def test_a_finding_says_how_it_was_linked(database: Database) -> None:
    finding = report(database, facility_code="nobody-knows")
    link(database, finding.id, linked_by="place", facility_code="L-9")
    assert stored(database, finding.id).link == {"state": "place", "facility_code": "L-9"}
    assert report(database, facility_code="L-9").merged_into == finding.id


def test_a_closed_order_may_be_heard_of_before_the_link(database: Database) -> None:
    finding = report(database)
    follow(database, order(OrderClosed, finding.id, 5))
    link(database, finding.id)
    now = stored(database, finding.id)
    assert (now.state, now.linked_code, now.slot) == (State.RESOLVED, "L-1", None)


def test_a_voided_order_rejects_the_finding_and_a_handed_over_one_leaves_it(database: Database) -> None:
    one, other = report(database), report(database, facility_code="L-2")
    follow(
        database,
        order(OrderVoided, one.id, 3, reason="unfounded"),
        order(OrderVoided, other.id, 3, reason="handed_over"),
        order(OrderClosed, None, 9),
    )
    assert (stored(database, one.id).state, stored(database, one.id).reason) == (State.REJECTED, "unfounded")
    assert stored(database, other.id).state is State.CONFIRMED


def test_a_reopened_order_confirms_the_finding_again(database: Database) -> None:
    finding = report(database)
    follow(database, order(OrderReopened, finding.id, 6), order(OrderClosed, finding.id, 5))
    assert stored(database, finding.id).state is State.CONFIRMED
    follow(database, order(OrderClosed, finding.id, 7))
    follow(database, order(OrderReopened, finding.id, 8))
    now = stored(database, finding.id)
    assert (now.state, now.slot, now.ended_at) == (State.CONFIRMED, "lamp_out:L-1", None)


def test_a_finding_reopened_beside_a_newer_one_leaves_that_its_slot(database: Database) -> None:
    old = report(database)
    follow(database, order(OrderClosed, old.id, 5))
    new = report(database)
    follow(database, order(OrderReopened, old.id, 6))
    assert [stored(database, each.id).slot for each in (old, new)] == [None, "lamp_out:L-1"]
    assert stored(database, old.id).state is State.CONFIRMED


def test_word_on_a_finding_that_is_not_ours_is_refused(database: Database) -> None:
    with pytest.raises(UnknownFinding):
        follow(database, order(OrderClosed, uuid4(), 5))


def test_a_lighting_check_reports_each_dark_lamp_once(database: Database) -> None:
    publish(database)
    known = hotline(database, facility_code="b")
    check = look(database, {"a": True, "b": False, "c": False})
    outcomes = {each.facility_code: each.shown for each in check.lamps}
    assert outcomes == {"a": Outcome.LIT, "b": Outcome.ALREADY_REPORTED, "c": Outcome.FINDING}
    assert stored(database, known.id).state is State.CONFIRMED
    assert {each.shown for each in look(database, {"b": False, "c": False}).lamps} == {Outcome.ALREADY_REPORTED}
    with database.read() as session:
        again = queries.get_light_check(session, check.id)
        assert [(each.facility_code, each.finding_id) for each in again.lamps] == [
            (each.facility_code, each.finding_id) for each in check.lamps
        ]


def test_a_dark_lamp_is_no_finding_before_it_is_judged(database: Database) -> None:
    publish(database)
    check = see(database, {"a": False})
    assert (check.lamps[0].shown, check.within) == (Outcome.AWAITED, None)
    assert told(database) == ["lights_checked"]
    judge(database, judgement(check))
    assert told(database) == ["lights_checked", "confirmed"]


def test_a_lamp_that_is_dark_as_planned_is_no_finding(database: Database) -> None:
    publish(database)
    (check,) = judge(database, judgement(see(database, {"a": False, "b": False}), False, "not-planned: …", {"b": True}))
    assert [each.shown for each in check.lamps] == [Outcome.OUTSIDE_LIGHTING_HOURS, Outcome.FINDING]
    assert (check.lamps[0].reason, check.lamps[0].finding_id) == ("not-planned: …", None)
    assert (check.within, check.lamps_planned) == (True, 1)
    assert told(database) == ["lights_checked", "confirmed"]


def test_a_lamp_that_nobody_knows_is_no_finding(database: Database) -> None:
    publish(database)
    (check,) = judge(database, judgement(see(database, {"?": False}), None, "unknown-lamp: …"))
    assert (check.lamps[0].shown, check.lamps[0].reason) == (Outcome.UNKNOWN_LAMP, "unknown-lamp: …")
    assert told(database) == ["lights_checked"]


def test_two_checks_of_one_dark_lamp_judged_at_once_are_one_finding(database: Database) -> None:
    publish(database)
    one, other = see(database, {"a": False}), see(database, {"a": False, "b": False})
    first, second = judge(database, judgement(one), judgement(other))
    stands = {first.lamps[0].finding_id, second.lamps[0].finding_id}
    assert len(stands) == 1
    assert {first.lamps[0].shown, second.lamps[0].shown} == {Outcome.FINDING, Outcome.ALREADY_REPORTED}
    assert told(database) == ["lights_checked", "lights_checked", "confirmed", "confirmed"]


def test_a_judgement_heard_again_reports_nothing_again(database: Database) -> None:
    publish(database)
    check = see(database, {"a": False})
    (judged,) = judge(database, judgement(check))
    follow(database, order(OrderClosed, judged.lamps[0].finding_id, 5))
    assert judge(database, judgement(check))[0].lamps[0].finding_id == judged.lamps[0].finding_id
    assert told(database) == ["lights_checked", "confirmed", "resolved"]


def test_what_the_version_before_stored_is_shown_as_it_stands_and_it_can_read_ours(database: Database) -> None:
    publish(database)
    old, new = see(database, {"a": False, "b": True}), see(database, {"c": False, "d": True, "?": False})
    checks, lamps = tables.light_checks, tables.light_check_lamps
    with database.begin() as session:
        session.execute(checks.update().where(checks.c.id == old.id).values(awaited=None, within_lighting_hours=True))
        mine = lamps.c.check_id == old.id, lamps.c.facility_code == "a"
        session.execute(lamps.update().where(*mine).values(verdict=None, outcome=Outcome.FINDING, finding_id=uuid4()))
    with database.read() as session:
        shown = queries.get_light_check(session, old.id)
        assert (shown.within, [each.shown for each in shown.lamps]) == (True, [Outcome.FINDING, Outcome.LIT])
        listed = queries.find_light_checks(session, sight=ALL, limit=9, cursor=None).items
        assert {each.id: each.within for each in listed} == {old.id: True, new.id: None}
    judge(database, judgement(old), judgement(new, other={"?": None}))
    assert told(database) == ["lights_checked", "lights_checked", "confirmed"]  # that of c
    with database.read() as session:
        known = {Outcome.LIT, Outcome.FINDING, Outcome.ALREADY_REPORTED, Outcome.OUTSIDE_LIGHTING_HOURS}
        assert set(session.scalars(select(lamps.c.outcome))) <= known


def test_a_judgement_on_a_check_that_is_not_ours_is_refused(database: Database) -> None:
    with pytest.raises(UnknownLightCheck):
        judge(database, LightsJudged(revision=1, happened_at=NIGHT, recorded_at=NIGHT, check_id=uuid4(), lamps=[]))


def test_a_finding_of_a_check_is_confirmed_when_it_is_judged_and_reported_when_we_knew(database: Database) -> None:
    publish(database)
    check, later = see(database, {"a": False}), NIGHT + timedelta(hours=3)
    with clock.frozen(later):
        (judged,) = judge(database, judgement(check))
    finding = stored(database, judged.lamps[0].finding_id or uuid4())
    assert (finding.found_at, finding.reported_at, finding.confirmed_at) == (NIGHT, NIGHT, later)


def misbehaved(code: str, category: str = "lamp_out", night: str = "2026-03-02", **more: Any) -> LampMisbehaved:
    known: dict[str, Any] = {
        "revision": 1, "happened_at": NIGHT, "recorded_at": NIGHT, "category": category, "facility_code": code,
        "night": night, "report_id": uuid5(NAMESPACE_URL, code + category + night), "longitude": 24.94,
        "latitude": 60.17,
    }  # fmt: skip
    return LampMisbehaved(**known | more)


def hear(database: Database, *events: LampMisbehaved) -> None:
    with database.begin() as session:
        use_cases.report_lamps(session, events)


def test_what_controllers_say_waits_for_confirmation_and_is_reported_once(database: Database) -> None:
    publish(database)
    dark, again = misbehaved("a"), misbehaved("a", night="2026-03-03")
    hear(database, dark, again, misbehaved("a", "burnt_by_day_which_the_catalogue_lost"))
    hear(database, again)
    finding = stored(database, dark.report_id)
    assert (finding.state, finding.source, finding.facility) == (State.REPORTED, "lamp_controller", "a")
    assert finding.location == {"lon": 24.94, "lat": 60.17}
    assert told(database) == ["reported"]
    look(database, {"a": False})
    assert stored(database, dark.report_id).state is State.CONFIRMED  # a patrol saw it too


def test_a_day_burner_stands_once_at_a_time_and_can_come_back(database: Database) -> None:
    categories = CATALOGUE["categories"] | {"day_burning": {"groups": ["lighting"], "single": False}}
    publish(database, content=CATALOGUE | {"categories": categories})
    first, second = misbehaved("a", "day_burning"), misbehaved("a", "day_burning", "2026-03-03")
    hear(database, first)
    with database.begin() as session:
        use_cases.reject_finding(session, finding_id=first.report_id, by="operator-1", reason="a test of the cabinet")
    hear(database, second)
    assert stored(database, second.report_id).state is State.REPORTED


def test_a_trusted_controllers_word_confirms_what_was_reported(database: Database) -> None:
    publish(database)
    known = hotline(database, facility_code="a")
    with database.begin() as session:
        use_cases.set_source(session, source="lamp_controller", confirm_on_arrival=True, written_by_staff=True)
    hear(database, misbehaved("a"))
    assert stored(database, known.id).state is State.CONFIRMED


def test_a_long_walk_is_taken_in_one_check(database: Database) -> None:
    publish(database)
    check = look(database, {f"L-{number}": number % 2 == 0 for number in range(2_000)})
    assert (check.lamps_checked, check.lamps_lit) == (2_000, 1_000)
    assert sum(each.shown is Outcome.FINDING for each in check.lamps) == 1_000


def test_the_tallies_are_what_the_findings_say(database: Database) -> None:
    publish(database)
    report(database)
    report(database)
    hotline(database, category="pothole")
    look(database, {"a": False, "b": True})
    with database.read() as session:
        counted = {name: tallies.read(session, name) for name in figures.recount(session)}
        assert counted == figures.recount(session)
        samples = [sample for family in figures.collect(session) for sample in family.samples]
        assert {(each.name, each.labels["source"], each.value) for each in samples} == {
            ("waywarden_findings_total", "patrol", 3),
            ("waywarden_findings_total", "hotline", 1),
        }


def test_how_far_a_source_is_trusted_can_be_changed(database: Database) -> None:
    with database.begin() as session:
        use_cases.set_source(session, source="hotline", confirm_on_arrival=True, written_by_staff=False, expected=1)
    assert hotline(database).state is State.CONFIRMED


def test_a_new_source_has_a_name_that_labels_can_carry(database: Database) -> None:
    with pytest.raises(WrongSourceName), database.begin() as session:
        use_cases.set_source(session, source="a\nb", confirm_on_arrival=True, written_by_staff=False)


@pytest.mark.parametrize("jumps", [(1, -3, 2), (-5, -5, 9), (30, -48, 1)])
def test_the_life_of_a_finding_goes_one_way_when_the_clock_steps_back(
    database: Database, jumps: tuple[int, int, int]
) -> None:
    finding, at = hotline(database), NIGHT
    number = [order(kind, finding.id, revision) for revision, kind in enumerate((OrderClosed, OrderReopened), 3)]
    for hours, what in zip(jumps, ("confirm", *number), strict=True):
        at += timedelta(hours=hours)
        with clock.frozen(at):
            if what == "confirm":
                with database.begin() as session:
                    use_cases.confirm_finding(session, finding_id=finding.id, by="operator-1")
            else:
                follow(database, what)
    moves = tables.finding_moves.c
    with database.read() as session:
        known = session.scalars(select(moves.recorded_at).order_by(moves.id)).all()
        assert len(known) == 3
        assert known == sorted(known)
    assert stored(database, finding.id).confirmed_at >= finding.reported_at  # type: ignore[operator]


def test_a_finding_or_check_that_is_not_what_its_rows_say_is_found_and_set_right(database: Database) -> None:
    publish(database)
    finding, check = hotline(database), look(database, {"L-7": True, "L-8": False})
    with database.begin() as session:
        use_cases.confirm_finding(session, finding_id=finding.id, by="operator-1")
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []
    with database.begin() as session:
        findings, checks = tables.findings, tables.light_checks
        session.execute(findings.update().where(findings.c.id == finding.id).values(state=State.REJECTED))
        session.execute(checks.update().values(lamps_lit=2))
    assert [line.partition(":")[0] for line in recount_rows(database, figures.PROOFS, repair=True)] == [
        "findings",
        "lighting checks",
    ]
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []
    assert stored(database, finding.id).state is State.CONFIRMED
    assert check.lamps_lit == 1


# --- one thing, one finding


def duplicate(finding_id: UUID, of: UUID, revision: int = 1, **more: Any) -> DefectDuplicated:
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT, "finding_id": finding_id, "open": False,
        "category": "lamp_out", "severity": "normal", "source": "patrol", "longitude": 24.94, "latitude": 60.17,
        "breaks_function": True, "linked_by": "place", "reported_at": NIGHT, "confirmed_at": NIGHT,
        "facility_code": "L-1", "duplicate_of": of,
    }  # fmt: skip
    return DefectDuplicated(**known | more)


def merge(database: Database, *events: DefectDuplicated) -> None:
    with database.begin() as session:
        use_cases.merge_duplicates(session, events)


def sightings(database: Database) -> list[tuple[str, datetime]]:
    with database.read() as session:
        rows = session.scalars(select(outbox.c.body).where(outbox.c.event_type.contains("seen_again")).order_by("id"))
        told = [json.loads(each)["data"] for each in rows]
        return [(each["finding_id"], datetime.fromisoformat(each["seen_at"])) for each in told]


def later(hours: float) -> datetime:
    return NIGHT + timedelta(hours=hours)


def test_assets_word_merges_two_findings_by_place_and_both_reporters_see_what_became_of_theirs(
    database: Database,
) -> None:
    publish(database)
    first = report(database, facility_code=None)
    second = report(database, facility_code=None, reporter="inspector-2")
    link(database, first.id, linked_by="place")
    merge(database, duplicate(second.id, first.id))
    now = stored(database, second.id)
    assert (now.state, now.merged_into, now.linked_code, now.slot) == (State.MERGED, first.id, "L-1", None)
    assert now.standing
    assert (now.standing.finding_id, now.standing.state) == (first.id, State.CONFIRMED)
    follow(database, order(OrderClosed, first.id, 6))
    with database.read() as session:
        sight = Sight("inspector-2")
        theirs = queries.get_finding(session, second.id, sight=sight)
        assert theirs.standing
        assert theirs.standing.state == State.RESOLVED
        listed = queries.find_findings(session, sight=sight, limit=9, cursor=None).items
        assert [each.standing and each.standing.order_number for each in listed] == ["20260302-000001"]
    assert stored(database, first.id).standing is None


def test_the_word_of_assets_twice_and_late_changes_nothing_more(database: Database) -> None:
    first, second = report(database, facility_code=None), report(database, facility_code=None)
    follow(database, order(OrderClosed, first.id, 6))
    merge(database, duplicate(second.id, first.id))
    before = stored(database, second.id).revision
    merge(database, duplicate(second.id, first.id))
    assert stored(database, second.id).revision == before
    with pytest.raises(UnknownFinding):
        merge(database, duplicate(uuid4(), first.id))


def test_what_stood_behind_a_merged_finding_stands_behind_the_one_that_stands_now(database: Database) -> None:
    publish(database)
    first, by_code = report(database, facility_code=None), report(database, facility_code="L-1")
    behind = report(database, facility_code="L-1", found_at=later(0))
    assert behind.merged_into == by_code.id
    link(database, first.id, linked_by="place")
    merge(database, duplicate(by_code.id, first.id))
    assert [stored(database, each.id).merged_into for each in (by_code, behind)] == [first.id, first.id]
    assert stored(database, first.id).slot == "lamp_out:L-1"
    assert report(database, facility_code="L-1").merged_into == first.id


@pytest.mark.parametrize("heard", list(permutations(range(3))))
def test_an_order_reopened_beside_a_newer_one_ends_merged_whatever_is_heard_first(
    database: Database, heard: tuple[int, ...]
) -> None:
    publish(database)
    old = report(database)
    follow(database, order(OrderClosed, old.id, 5))
    new = report(database)
    steps = (
        lambda: follow(database, order(OrderReopened, old.id, 6)),
        lambda: merge(database, duplicate(old.id, new.id, revision=3)),
        lambda: follow(database, order(OrderVoided, old.id, 7, reason="duplicate")),
    )
    for each in heard:
        steps[each]()
    assert (stored(database, old.id).state, stored(database, old.id).merged_into) == (State.MERGED, new.id)
    assert (stored(database, new.id).state, stored(database, new.id).slot) == (State.CONFIRMED, "lamp_out:L-1")
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []


def test_each_look_of_a_patrol_at_what_is_known_is_told_once_with_its_time(database: Database) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(2)):
        report(database, found_at=later(1))
        report(database, found_at=later(0.5))
        hotline(database, found_at=later(1.5))
        judge(database, judgement(see(database, {"L-1": False}, at=later(2))))
    assert sightings(database) == [(str(first.id), later(1)), (str(first.id), later(2))]
    assert stored(database, first.id).last_seen_at == later(2)


def test_a_clock_that_is_fast_sees_nothing_before_we_know_it(database: Database) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(1)):
        report(database, found_at=later(1) + timedelta(minutes=5))
    assert sightings(database) == [(str(first.id), later(1))]


def test_a_look_after_a_report_of_a_fast_clock_is_a_new_one(database: Database) -> None:
    publish(database)
    first = report(database, found_at=later(0) + timedelta(minutes=4))
    with clock.frozen(later(0) + timedelta(minutes=2)):
        report(database, found_at=later(0) + timedelta(minutes=2))
    assert sightings(database) == [(str(first.id), later(0) + timedelta(minutes=2))]


def test_what_was_told_before_the_work_was_done_was_found_before_whatever_its_clock_said(database: Database) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(1)):
        told_before = hotline(database, found_at=later(1) + timedelta(minutes=4))
    with clock.frozen(later(5)):
        done_at = later(1) + timedelta(minutes=2)
        follow(database, order(OrderClosed, first.id, 6, disposed_at=done_at, happened_at=later(5)))
    assert stored(database, told_before.id).merged_into == first.id


def test_the_look_of_a_finding_that_assets_merges_is_told_of_the_one_that_stands(database: Database) -> None:
    first = report(database, facility_code=None)
    with clock.frozen(later(3)):
        second = report(database, facility_code=None, found_at=later(2))
        merge(database, duplicate(second.id, first.id))
    assert sightings(database) == [(str(first.id), later(2))]


def test_a_report_that_nobody_confirmed_surfaces_where_it_was_found_after_the_work_was_done(database: Database) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(5)):
        before, since, again = (hotline(database, found_at=later(each)) for each in (1, 3, 4))
        assert {each.merged_into for each in (before, since, again)} == {first.id}
        follow(database, order(OrderClosed, first.id, 6, disposed_at=later(2), happened_at=later(5)))
    assert stored(database, before.id).merged_into == first.id
    surfaced = stored(database, since.id)
    assert (surfaced.state, surfaced.merged_into, surfaced.slot) == (State.REPORTED, None, "lamp_out:L-1")
    assert stored(database, again.id).merged_into == since.id
    with database.begin() as session:
        use_cases.confirm_finding(session, finding_id=since.id, by="operator-1")
    assert stored(database, since.id).state is State.CONFIRMED


def test_what_a_patrol_saw_after_an_order_was_void_as_unfounded_is_looked_at_for_itself(database: Database) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(3)):
        early, late = report(database, found_at=later(1)), report(database, found_at=later(2.5))
        follow(database, order(OrderVoided, first.id, 3, reason="unfounded", happened_at=later(2)))
    assert stored(database, early.id).state is State.MERGED
    assert stored(database, late.id).state is State.REPORTED


# --- late word of what is repaired already


def confirmations(database: Database) -> list[tuple[str, datetime]]:
    """Which findings were told as confirmed, and when the problem was last seen."""
    with database.read() as session:
        rows = session.scalars(select(outbox.c.body).where(outbox.c.event_type.contains("confirmed")).order_by("id"))
        told = [json.loads(each)["data"] for each in rows]
        return [(each["finding_id"], datetime.fromisoformat(each["found_at"])) for each in told]


def test_what_is_told_of_a_finding_says_when_it_was_seen_not_when_we_heard(database: Database) -> None:
    publish(database)
    with clock.frozen(later(9)):
        trusted = report(database, found_at=later(2))
        waiting = hotline(database, facility_code="L-2", found_at=later(3))
        with database.begin() as session:
            use_cases.confirm_finding(session, finding_id=waiting.id, by="operator-1")
        fast = report(database, facility_code="L-3", found_at=later(9) + timedelta(minutes=4))
    seen = {str(trusted.id): later(2), str(waiting.id): later(3), str(fast.id): later(9)}
    assert dict(confirmations(database)) == seen


def test_a_report_that_a_patrol_confirms_was_seen_when_the_patrol_saw_it(database: Database) -> None:
    publish(database)
    with clock.frozen(later(9)):
        waiting = hotline(database, found_at=later(1))
        report(database, found_at=later(7))
    assert confirmations(database) == [(str(waiting.id), later(7))]
    assert sightings(database) == [(str(waiting.id), later(7))]


@pytest.mark.parametrize("closed_first", [True, False])
def test_late_word_of_what_is_repaired_is_merged_and_its_reporter_hears_what_became_of_it(
    database: Database, closed_first: bool
) -> None:
    publish(database)
    first = report(database)
    with clock.frozen(later(9)):
        closed = order(OrderClosed, first.id, 6, disposed_at=later(3), happened_at=later(4))
        late = report(database, facility_code=None, found_at=later(2), reporter="inspector-2")
        word = duplicate(late.id, first.id, done_at=later(3))
        if closed_first:
            follow(database, closed)
        merge(database, word)
        follow(database, closed)
        merge(database, word)
    now = stored(database, late.id)
    assert (now.state, now.merged_into, now.slot) == (State.MERGED, first.id, None)
    assert now.standing
    assert (now.standing.state, now.standing.order_number) == (State.RESOLVED, "20260302-000001")
    assert stored(database, first.id).state is State.RESOLVED
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []


@pytest.mark.parametrize("closed_first", [True, False])
def test_what_was_found_after_the_work_and_stood_behind_late_word_is_looked_at_for_itself(
    database: Database, closed_first: bool
) -> None:
    publish(database)
    first = report(database, facility_code=None)
    link(database, first.id)
    closed = order(OrderClosed, first.id, 6, disposed_at=later(3), happened_at=later(4))
    with database.begin() as session:  # its slot is free while the order is closed
        use_cases.follow_orders(session, [closed] if closed_first else [])
    with clock.frozen(later(9)):
        late = report(database, facility_code="L-1x", found_at=later(2))
        before, since, again = (hotline(database, facility_code="L-1x", found_at=later(each)) for each in (1, 7, 8))
        assert {each.merged_into for each in (before, since, again)} == {late.id}
        merge(database, duplicate(late.id, first.id, done_at=later(3)))
        follow(database, closed)
    assert [stored(database, each.id).merged_into for each in (late, before)] == [first.id, first.id]
    assert (stored(database, since.id).state, stored(database, since.id).merged_into) == (State.REPORTED, None)
    assert stored(database, again.id).merged_into == since.id


def test_what_a_patrol_saw_before_the_repair_confirms_no_report_of_after_it(database: Database) -> None:
    publish(database)
    first = report(database)
    follow(database, order(OrderClosed, first.id, 6, disposed_at=later(3), happened_at=later(4)))
    with clock.frozen(later(9)):
        since = hotline(database, found_at=later(7))
        late = report(database, found_at=later(2))
        assert late.merged_into == since.id
        assert stored(database, since.id).state is State.REPORTED
        report(database, found_at=later(6))
        assert stored(database, since.id).state is State.CONFIRMED


# --- a facility that has another code


def renumber(database: Database, code: str, *former: str, revision: int = 2) -> None:
    about: dict[str, Any] = {"revision": revision, "happened_at": NIGHT, "recorded_at": NIGHT}
    with database.begin() as session:
        use_cases.keep_codes(session, [FacilityRenumbered(code=code, former_codes=list(former), **about)])


def about(database: Database, **wanted: Any) -> set[UUID]:
    with database.read() as session:
        found = queries.find_findings(session, sight=ALL, limit=9, cursor=None, **wanted)
        return {each.id for each in found.items}


@pytest.mark.parametrize("linked", [True, False])
def test_a_finding_is_found_by_every_code_of_its_facility_and_merged_by_each(database: Database, linked: bool) -> None:
    publish(database)
    first = report(database)
    if linked:
        link(database, first.id)
    renumber(database, "L-3", "L-1", "L-2", revision=3)
    renumber(database, "L-2", "L-1", revision=2)
    for code in ("L-1", "L-2", "L-3"):
        assert about(database, facility_code=code) == {first.id}
        assert first.id in about(database, q=code)
    assert stored(database, first.id).slot == "lamp_out:L-3"
    assert stored(database, first.id).linked_code == ("L-3" if linked else None)
    assert {report(database, facility_code=code).merged_into for code in ("L-1", "L-2", "L-3")} == {first.id}


def test_a_slot_that_is_taken_by_the_new_code_already_is_left_to_its_holder(database: Database) -> None:
    publish(database)
    old, new = report(database), report(database, facility_code="L-3")
    renumber(database, "L-3", "L-1")
    assert stored(database, new.id).slot == "lamp_out:L-3"
    assert stored(database, old.id).state is State.CONFIRMED
    assert about(database, facility_code="L-1") == {old.id, new.id}
