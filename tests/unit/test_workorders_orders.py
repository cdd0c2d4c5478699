"""The life of a work order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.workorders.domain.clocks import Clock, Light, Limit, run
from services.workorders.domain.drawing import draw
from services.workorders.domain.orders import (
    ASIDE,
    MOVES,
    OPEN,
    IllegalMove,
    ImpossibleTime,
    Order,
    Severity,
    Stage,
    State,
    Step,
    VoidReason,
    parse_number,
)
from shared.errors import Invalid

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = Limit(24.0, Clock.URGENT_HOUR, "a day")
HOUR = Limit(1.0, Clock.URGENT_HOUR, "an hour")
DOCUMENT = Path(__file__).parents[2] / "docs" / "work-order-states.md"


def new_order() -> Order:
    term = run(DAY, NOON, UTC)
    order = Order(
        category="lamp_out", severity=Severity.NORMAL, source="patrol", longitude=24.94, latitude=60.17,
        finding_id=uuid4(), registered_at=NOON, limit_amount=24.0, limit_clock=Clock.URGENT_HOUR,
        limit_source="a day", warn_at=term.warn_at, due_at=term.due_at,
    )  # fmt: skip
    order.id = 7
    order.register(step())
    return order


def step(at: datetime = NOON) -> Step:
    return Step(by="someone", at=at, recorded_at=at)


def completed_order(at: datetime = NOON) -> Order:
    order = new_order()
    order.dispatch(step(at), crew="kallio")
    order.accept(step(at))
    order.start(step(at))
    order.complete(step(at), note="Lamp replaced.", quantity=1.0, photos=["a" * 64])
    return order


def closed_order() -> Order:
    order = completed_order()
    order.pass_check(step(), note="Lit.")
    return order


def test_an_order_goes_from_registration_to_its_end_and_keeps_every_move() -> None:
    order = closed_order()
    assert order.state == State.CLOSED
    assert [(each.move, each.to_state) for each in order.moves] == [
        ("register", State.REGISTERED),
        ("dispatch", State.DISPATCHED),
        ("accept", State.ACCEPTED),
        ("start", State.IN_PROGRESS),
        ("complete", State.COMPLETED),
        ("pass_check", State.CLOSED),
    ]
    assert order.revision == len(order.moves)


def test_a_move_that_the_table_does_not_know_is_refused_and_changes_nothing() -> None:
    order = new_order()
    with pytest.raises(IllegalMove):
        order.start(step())
    assert (order.state, order.revision, len(order.moves)) == (State.REGISTERED, 1, 1)


def test_a_declined_order_waits_for_a_dispatcher_again_and_says_why() -> None:
    order = new_order()
    order.dispatch(step(), crew="kallio", rule="crew of the district")
    order.decline(step(), reason="Not ours.")
    assert (order.state, order.crew, order.rule) == (State.REGISTERED, None, "")
    assert order.moves[-1].reason == "Not ours."


def test_a_reassigned_order_keeps_its_due_time() -> None:
    order = new_order()
    order.dispatch(step(), crew="kallio")
    due_at = order.due_at
    order.reassign(step(), crew="kamppi")
    assert (order.crew, order.due_at) == ("kamppi", due_at)


def test_an_order_cannot_be_reassigned_to_the_crew_that_has_it() -> None:
    order = new_order()
    order.dispatch(step(), crew="kallio")
    with pytest.raises(Invalid):
        order.reassign(step(), crew="kallio")


def test_a_failed_check_is_counted_as_rework_and_starts_the_rework_clock() -> None:
    order, later = completed_order(), NOON + timedelta(hours=5)
    order.fail_check(step(later), note="Still dark.", term=run(HOUR, later, UTC))
    assert (order.state, order.crew, order.rework_count) == (State.DISPATCHED, "kallio", 1)
    assert order.due_at == later + timedelta(hours=1)
    assert order.limit == HOUR
    assert order.disposed_at is None


def test_a_completion_can_be_undone_before_the_check_only() -> None:
    order = completed_order()
    order.undo_complete(step())
    assert (order.state, order.disposed_at) == (State.IN_PROGRESS, None)
    with pytest.raises(IllegalMove):
        closed_order().undo_complete(step())


@pytest.mark.parametrize("state", OPEN)
def test_an_order_can_be_voided_from_any_open_state(state: State) -> None:
    order = new_order()
    order.state = state
    order.void(step(), reason=VoidReason.UNFOUNDED, note="No lamp here.")
    assert (order.state, order.void_reason) == (State.VOID, VoidReason.UNFOUNDED)


@pytest.mark.parametrize("state", [State.CLOSED, State.VOID])
def test_an_order_that_has_ended_cannot_be_voided(state: State) -> None:
    order = new_order()
    order.state = state
    with pytest.raises(IllegalMove):
        order.void(step(), reason=VoidReason.DUPLICATE, note="")


def test_a_reopened_order_starts_a_new_dispose_clock() -> None:
    order, later = closed_order(), NOON + timedelta(days=3)
    order.call_back(step(later), answered=True, satisfied=False, note="Dark again.")
    order.reopen(step(later), term=run(DAY, later, UTC))
    assert (order.state, order.closed_at, order.due_at) == (State.DISPATCHED, None, later + timedelta(days=1))


def test_a_satisfied_call_back_leaves_the_order_closed() -> None:
    order = closed_order()
    order.call_back(step(), answered=True, satisfied=True, note="Thanks.")
    assert order.state == State.CLOSED
    assert order.moves[-1].satisfied is True


@pytest.mark.parametrize(("answered", "satisfied"), [(True, None), (False, True), (False, False)])
def test_satisfaction_is_known_exactly_when_somebody_answered(answered: bool, satisfied: bool | None) -> None:
    with pytest.raises(Invalid):
        closed_order().call_back(step(), answered=answered, satisfied=satisfied, note="")


def test_a_supervised_order_goes_on_as_before() -> None:
    order = new_order()
    order.supervise(step(), note="Asked for by the mayor's office.")
    assert (order.state, order.supervised) == (State.REGISTERED, True)


def said(at: datetime, recorded_at: datetime) -> Step:
    return Step(by="someone", at=at, recorded_at=recorded_at)


def minutes(amount: float) -> datetime:
    return NOON + timedelta(minutes=amount)


@pytest.mark.parametrize("at", [minutes(-60), minutes(60)])
def test_a_move_happens_neither_before_its_order_nor_in_the_future(at: datetime) -> None:
    order = new_order()
    with pytest.raises(ImpossibleTime):
        order.dispatch(said(at, NOON), crew="kallio")
    assert (order.state, order.revision, len(order.moves)) == (State.REGISTERED, 1, 1)


def started_order(at: datetime) -> Order:
    order = new_order()
    order.dispatch(step(), crew="kallio")
    order.accept(step(at))
    order.start(step(at))
    return order


def test_a_move_is_refused_that_says_it_happened_long_before_the_one_it_follows_with_both_times() -> None:
    order = started_order(minutes(60))
    with pytest.raises(ImpossibleTime, match=r"T12:49:00.*T13:00:00.*now, .*T14:00:00"):
        order.complete(said(minutes(49), minutes(120)), note="Done.", quantity=None, photos=[])
    assert (order.state, order.disposed_at, len(order.moves)) == (State.IN_PROGRESS, None, 4)


@pytest.mark.parametrize(
    ("at", "possible"), [(50, 60), (59.9, 60), (60, 60), (119, 119), (120, 120), (120.1, 120), (130, 120)]
)
def test_a_device_clock_may_be_off_by_minutes_which_is_set_right_and_marked(at: float, possible: float) -> None:
    order = started_order(minutes(60))
    order.complete(said(minutes(at), minutes(120)), note="Done.", quantity=None, photos=[])
    done = order.moves[-1]
    assert (done.at, done.recorded_at, order.disposed_at) == (minutes(possible), minutes(120), minutes(possible))
    assert done.said_at == (None if at == possible else minutes(at))


def test_what_a_crew_did_without_a_net_is_taken_late_with_the_times_that_it_says() -> None:
    order = new_order()
    order.dispatch(step(), crew="kallio")
    order.supervise(step(minutes(200)), note="Watched, while the crew was out of reach.")
    order.accept(said(minutes(5), minutes(300)))
    order.start(said(minutes(9), minutes(300)))
    order.complete(said(minutes(60), minutes(301)), note="Done.", quantity=None, photos=[])
    assert [each.at for each in order.moves[3:]] == [minutes(5), minutes(9), minutes(60)]
    assert {each.said_at for each in order.moves} == {None}


@pytest.mark.parametrize("at", [5, 23 * 60, 24 * 60 + 30])
def test_nobody_makes_themselves_punctual_by_the_time_that_they_say(at: float) -> None:
    order = started_order(NOON)
    order.complete(said(minutes(at), minutes(24 * 60 + 30)), note="Done.", quantity=None, photos=[])
    assert order.light(minutes(0)) == Light.RED
    assert (order.disposed_at, order.disposal_known_at) == (minutes(at), minutes(24 * 60 + 30))


def test_an_order_of_a_former_version_keeps_the_light_of_its_one_time() -> None:
    order = completed_order(minutes(60))
    order.disposal_known_at = None
    assert order.light(minutes(10_000)) == Light.GREEN
    order.disposed_at = minutes(25 * 60)
    assert order.light(minutes(0)) == Light.RED


def test_a_photo_that_is_named_twice_is_kept_once() -> None:
    order = new_order()
    order.add_photos(["a" * 64, "a" * 64], Stage.REPORTED, step())
    order.add_photos(["a" * 64, "b" * 64], Stage.DONE, step())
    assert [each.sha256[0] for each in order.photos] == ["a", "b"]


@pytest.mark.parametrize(
    ("hours", "light", "overdue"),
    [(0, Light.GREEN, False), (19, Light.GREEN, False), (20, Light.YELLOW, False), (25, Light.RED, True)],
)
def test_the_light_turns_yellow_after_four_fifths_and_red_after_the_due_time(
    hours: int, light: Light, overdue: bool
) -> None:
    now = NOON + timedelta(hours=hours)
    assert (new_order().light(now), new_order().overdue(now)) == (light, overdue)


def test_an_order_that_was_disposed_in_time_stays_green_and_is_never_overdue() -> None:
    order, next_year = completed_order(NOON + timedelta(hours=1)), NOON + timedelta(days=365)
    assert (order.light(next_year), order.overdue(next_year)) == (Light.GREEN, False)


def test_a_number_names_the_day_in_utc_and_leads_back_to_the_order() -> None:
    assert new_order().number == "20260302-000007"
    assert parse_number("20260302-000007") == 7
    assert parse_number("20260302-12345678") == 12_345_678


@pytest.mark.parametrize(
    "text", ["", "x", "20260302", "20260302-", "-7", "20260302-x", "2-1-1", "a-²", "1-" + "9" * 30]
)
def test_what_is_no_number_leads_nowhere(text: str) -> None:
    assert parse_number(text) is None


def test_the_drawing_in_the_documents_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == draw()


class AnyLife(RuleBasedStateMachine):
    """Whatever anybody does in whatever order, an order stays in the states and under the rules that are known."""

    def __init__(self) -> None:
        super().__init__()
        self.order = new_order()
        self.made = 1
        self.now = NOON
        self.due_at = self.order.due_at
        self.reworks = 0
        self.skew = timedelta()

    @rule(minutes=st.sampled_from([0, -3, 3, 10]))
    def another_device(self, minutes: float) -> None:
        self.skew = timedelta(minutes=minutes)

    def attempt(self, name: str, **more: object) -> None:
        self.now += timedelta(minutes=7)
        at = self.now + self.skew
        before, legal = self.order.state, self.order.state in MOVES[name].sources
        try:
            getattr(self.order, name)(said(at, self.now), **more)
        except IllegalMove:
            assert not legal
            assert self.order.state == before
        else:
            assert legal
            assert self.order.state == (MOVES[name].target or before)
            self.made += 1
            self.reworks += name == "fail_check"
            if name in ("fail_check", "reopen"):
                self.due_at = self.now + timedelta(hours=1)

    @rule(name=st.sampled_from(["accept", "start", "undo_complete"]))
    def plain_move(self, name: str) -> None:
        self.attempt(name)

    @rule()
    def decline(self) -> None:
        self.attempt("decline", reason="Not ours.")

    @rule()
    def dispatch(self) -> None:
        self.attempt("dispatch", crew="kallio")

    @rule()
    @precondition(lambda self: self.order.crew is not None)
    def reassign(self) -> None:
        self.attempt("reassign", crew="kamppi" if self.order.crew == "kallio" else "kallio")

    @rule()
    def complete(self) -> None:
        self.attempt("complete", note="Done.", quantity=None, photos=["c" * 64])

    @rule(name=st.sampled_from(["pass_check", "supervise"]))
    def noted_move(self, name: str) -> None:
        self.attempt(name, note="Seen.")

    @rule(name=st.sampled_from(["fail_check", "reopen"]))
    def move_that_starts_a_clock(self, name: str) -> None:
        term = run(HOUR, self.now + timedelta(minutes=7), UTC)
        self.attempt(name, term=term, **({"note": "Dark."} if name == "fail_check" else {}))

    @rule(satisfied=st.sampled_from([None, True, False]))
    def call_back(self, satisfied: bool | None) -> None:
        self.attempt("call_back", answered=satisfied is not None, satisfied=satisfied, note="")

    @rule(odds=st.integers(0, 9))
    def void(self, odds: int) -> None:
        if odds == 0:
            self.attempt("void", reason=VoidReason.HANDED_OVER, note="Given to the tram company.")

    @invariant()
    def its_state_is_known_and_its_moves_lead_there(self) -> None:
        assert self.order.state in State
        states = [each.to_state for each in self.order.moves]
        assert [each.from_state for each in self.order.moves[1:]] == states[:-1]
        assert states[-1] == self.order.state

    @invariant()
    def no_move_happens_before_the_one_it_follows_or_after_it_was_known(self) -> None:
        leading = [each.at for each in self.order.moves if each.move not in ASIDE]
        assert leading == sorted(leading)
        assert all(each.at <= each.recorded_at for each in self.order.moves)

    @invariant()
    def every_move_counts_once(self) -> None:
        assert self.order.revision == self.made == len(self.order.moves)
        assert self.order.rework_count == self.reworks

    @invariant()
    def only_rework_and_reopening_move_the_due_time(self) -> None:
        assert self.order.due_at == self.due_at

    @invariant()
    def a_crew_has_it_exactly_while_it_is_not_waiting(self) -> None:
        if self.order.state != State.VOID:
            assert (self.order.crew is None) == (self.order.state == State.REGISTERED)


TestAnyLife = pytest.mark.thorough(AnyLife.TestCase)
TestAnyLife.settings = settings(max_examples=60, stateful_step_count=40)
