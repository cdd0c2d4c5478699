"""A finding's life is the table of moves, and nothing beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.inspections.domain.findings import (
    AFTER_ORDER,
    MOVES,
    OPEN,
    CannotMerge,
    Finding,
    IllegalMove,
    Move,
    PatrolOnly,
    State,
    draw,
    may_report,
    new_finding,
)
from services.inspections.domain.rulebook import (
    BeforeTheReport,
    Category,
    InTheFuture,
    Rulebook,
    Severity,
    Source,
    UnknownCategory,
    UnknownSource,
    read_categories,
    set_right,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOURCES = {
    "patrol": Source(source="patrol", confirm_on_arrival=True, written_by_staff=True),
    "hotline": Source(source="hotline", confirm_on_arrival=False, written_by_staff=False),
}
CATEGORIES = {
    "lamp_out": Category(slug="lamp_out", single=True),
    "pothole": Category(slug="pothole", single=False),
    "leakage": Category(slug="leakage", single=False, severity="emergency"),
}
BOOK = Rulebook(categories=CATEGORIES, sources=SOURCES)


def report(book: Rulebook = BOOK, **more: Any) -> Finding:
    known: dict[str, Any] = {
        "id": uuid4(), "category": "lamp_out", "severity": "normal", "source": "hotline", "reporter": "operator-1",
        "found_at": NOON, "now": NOON, "location": {"lon": 24.94, "lat": 60.17}, "facility_code": "L-1",
        "description": "Dark, says Ms Example.",
    }  # fmt: skip
    return new_finding(book, **known | more)


class Life(RuleBasedStateMachine):
    """Makes any move at any time, beside a plain copy of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.finding = report()
        self.state = State.REPORTED
        self.at = NOON
        self.moves = 0

    @rule(move=st.sampled_from([*Move]))
    def make(self, move: Move) -> None:
        self.at += timedelta(minutes=1)
        after = MOVES.get((self.state, move))
        if after is None:
            with pytest.raises(IllegalMove):
                self.finding.move(move, self.at)
        else:
            self.finding.move(move, self.at)
            self.state, self.moves = after, self.moves + 1

    @invariant()
    def the_state_is_what_the_table_says(self) -> None:
        assert self.finding.state == self.state
        assert self.finding.revision == 1 + self.moves

    @invariant()
    def only_an_open_finding_holds_a_slot_and_has_no_end(self) -> None:
        assert self.finding.is_open == (self.finding.ended_at is None)
        assert self.finding.is_open or self.finding.slot is None

    @invariant()
    def a_confirmed_finding_knows_since_when(self) -> None:
        assert self.finding.state != State.CONFIRMED or self.finding.confirmed_at is not None


TestLife = pytest.mark.thorough(Life.TestCase)


def test_every_state_can_be_left() -> None:
    left = {before for before, _ in MOVES}
    assert left == {*State}  # also the ends: assets may find that it is about another one's defect
    assert left >= OPEN


def test_the_drawing_shows_every_move() -> None:
    drawn = draw()
    assert all(f"{before} --> {after}: {move}" in drawn for (before, move), after in MOVES.items())


def test_what_a_patrol_finds_is_confirmed_on_arrival() -> None:
    finding = report(source="patrol")
    assert (finding.state, finding.confirmed_at) == (State.CONFIRMED, NOON)


def test_what_the_hotline_reports_waits() -> None:
    finding = report()
    assert (finding.state, finding.confirmed_at) == (State.REPORTED, None)


def test_words_that_citizens_may_have_written_stay_here() -> None:
    assert report().summary == ""
    assert report(source="patrol").summary == "Dark, says Ms …."


@pytest.mark.parametrize(
    ("written", "leaves"),
    [
        ("Call 040 123 4567 or +358 (0)40-1234567", "Call … or …"),
        ("on 2026-03-01 0401234567 said", "on 2026-03-01 … said"),
        ("电话13812345678，张先生", "电话…，…先生"),
        ("id 11010519900307123X, a.b@example.org", "id …, …"),
        ("third pole, 12.5 m, HEL-LAMP-1515825088, 1.3.2026", "third pole, 12.5 m, HEL-LAMP-1515825088, 1.3.2026"),
    ],
)
def test_numbers_addresses_and_titled_names_do_not_leave(written: str, leaves: str) -> None:
    finding = report(source="patrol", description=written)
    assert (finding.summary, finding.description) == (leaves, written)


def test_an_always_dangerous_category_is_an_emergency_whoever_reports_it() -> None:
    assert report(category="leakage").severity is Severity.EMERGENCY


def test_an_unknown_category_or_source_names_its_field() -> None:
    with pytest.raises(UnknownCategory) as refused:
        report(category="unicorn")
    assert refused.value.field == "category"
    with pytest.raises(UnknownSource) as refused_too:
        report(source="rumour")
    assert refused_too.value.field == "source"


def test_any_category_is_taken_until_the_catalogue_has_come() -> None:
    assert report(Rulebook(categories=None, sources=SOURCES), category="unicorn").state is State.REPORTED


def test_a_reporters_clock_may_run_five_minutes_ahead_and_no_more() -> None:
    report(found_at=NOON + timedelta(minutes=5))
    with pytest.raises(InTheFuture):
        report(found_at=NOON + timedelta(minutes=5, seconds=1))


def test_an_operator_does_not_speak_for_a_patrol() -> None:
    may_report("inspector", "patrol")
    may_report("operator", "hotline")
    with pytest.raises(PatrolOnly):
        may_report("operator", "patrol")


def test_a_single_category_holds_a_slot_only_where_the_facility_is_known() -> None:
    assert report().slot == "lamp_out:L-1"
    assert report(facility_code=None).slot is None
    assert report(category="pothole").slot is None


def test_a_confirmed_finding_is_ended_by_its_order_and_says_so() -> None:
    with pytest.raises(IllegalMove, match="void"):
        report(source="patrol").move(Move.REJECT, NOON)


def test_a_finding_is_merged_into_an_open_other_one_only() -> None:
    finding, other, ended = report(), report(), report()
    ended.move(Move.REJECT, NOON, reason="Private land.")
    for wrong in (finding, ended):
        with pytest.raises(CannotMerge):
            finding.merge(wrong, NOON)
    finding.merge(other, NOON)
    assert (finding.state, finding.merged_into) == (State.MERGED, other.id)


def test_a_merged_report_keeps_nothing_of_its_own_but_whether_it_is_trusted() -> None:
    first = UUID(int=1)
    for source, since in (("patrol", NOON), ("hotline", None)):
        finding = report(source=source)
        finding.arrive_merged(first)
        assert (finding.state, finding.merged_into, finding.slot) == (State.MERGED, first, None)
        assert (finding.confirmed_at, finding.seen_at) == (since, since)


def test_a_decision_is_made_after_the_report_and_a_clock_may_be_off_by_minutes() -> None:
    now = NOON + timedelta(hours=1)
    for minutes, at in ((-5, NOON), (0, NOON), (30, NOON + timedelta(minutes=30)), (60, now), (65, now)):
        assert set_right(NOON + timedelta(minutes=minutes), NOON, now) == at
    with pytest.raises(BeforeTheReport):
        set_right(NOON - timedelta(minutes=6), NOON, now)
    with pytest.raises(InTheFuture):
        set_right(now + timedelta(minutes=6), NOON, now)


@pytest.mark.parametrize("closed_first", [True, False])
def test_the_newest_word_on_the_order_counts_whatever_comes_first(closed_first: bool) -> None:
    finding = report(source="patrol")
    told: list[tuple[Move, int]] = [(Move.RESOLVE, 5), (Move.REOPEN, 6), (Move.STRIKE, 7)]
    for move, revision in told if closed_first else reversed(told):
        finding.follow(order="20260302-000001", revision=revision, move=move, at=NOON)
    assert (finding.state, finding.order_revision) == (State.REJECTED, 7)


def test_hearing_the_same_of_an_order_again_changes_nothing() -> None:
    finding = report(source="patrol")
    assert finding.follow(order="1", revision=3, move=Move.RESOLVE, at=NOON)
    assert not finding.follow(order="1", revision=3, move=Move.RESOLVE, at=NOON)
    assert set(AFTER_ORDER.values()) == {State.RESOLVED, State.REJECTED, State.CONFIRMED}


def test_older_word_on_the_link_is_passed_over() -> None:
    finding = report()
    assert finding.link == {"state": "awaited", "facility_code": None}
    assert finding.note_link(by="code", code="L-1", revision=2)
    assert not finding.note_link(by="none", code=None, revision=1)
    assert finding.link == {"state": "code", "facility_code": "L-1"}


def test_the_catalogue_says_which_categories_are_single() -> None:
    read = read_categories({"categories": {"lamp_out": {"single": True, "severity": "normal"}, "crack": {}}})
    assert (read["lamp_out"].single, read["crack"].single) == (True, False)
