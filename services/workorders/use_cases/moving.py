"""Moving an order through its life: each move is checked against the table of moves, and leaves a line behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from services.workorders.domain.clocks import Term, run
from services.workorders.domain.crews import Crew, UnknownCrew
from services.workorders.domain.orders import ALL, Order, Sight, State, Step, VoidReason
from services.workorders.queries import get_order, present_catalogue
from services.workorders.use_cases.opening import SYSTEM
from services.workorders.use_cases.photos import note_named
from services.workorders.use_cases.telling import count, tell
from shared import clock
from shared.errors import expect
from shared.events.workorders import (
    OrderClosed,
    OrderCompleted,
    OrderCompletionUndone,
    OrderDeclined,
    OrderDispatched,
    OrderReopened,
    OrderSupervised,
    OrderVoided,
)


@dataclass(frozen=True, kw_only=True)
class Mover:
    """Who moves an order, when and where. ``sight`` bounds which orders there are for them.

    ``at`` is when it happened, if that is not now; ``expected`` the revision that the mover has seen.
    """

    name: str
    sight: Sight = ALL
    at: datetime | None = None
    location: dict[str, float] | None = None
    expected: int | None = None

    def step(self, order: Order) -> Step:
        """Clocks step back, the life of an order does not: what comes later is not known earlier."""
        now, place = max(clock.now(), order.known_since()), self.location or {}
        return Step(
            by=self.name, at=self.at or now, recorded_at=now, longitude=place.get("lon"), latitude=place.get("lat")
        )


@contextmanager
def moving(session: Session, number: str, mover: Mover) -> Iterator[tuple[Order, Step]]:
    """Hold the order, let the caller make one move, and keep the figures right.

    Raises NotFound, Stale, IllegalMove, and ImpossibleTime where ``at`` cannot be.
    """
    order = get_order(session, number=number, sight=mover.sight, hold=True)
    expect(order.revision, mover.expected)
    before = order.state
    yield order, mover.step(order)
    count(session, order, order.state, before)
    session.flush()


def dispatch(session: Session, number: str, mover: Mover, *, crew: str) -> Order:
    with moving(session, number, mover) as (order, step):
        check_crew_exists(session, crew)
        order.dispatch(step, crew=crew)
        tell(session, order, OrderDispatched, step.at)
    return order


def reassign(session: Session, number: str, mover: Mover, *, crew: str) -> Order:
    with moving(session, number, mover) as (order, step):
        check_crew_exists(session, crew)
        order.reassign(step, crew=crew)
        tell(session, order, OrderDispatched, step.at)
    return order


def accept(session: Session, number: str, mover: Mover) -> Order:
    with moving(session, number, mover) as (order, step):
        order.accept(step)
    return order


def decline(session: Session, number: str, mover: Mover, *, reason: str) -> Order:
    with moving(session, number, mover) as (order, step):
        order.decline(step, reason=reason)
        tell(session, order, OrderDeclined, step.at)
    return order


def start(session: Session, number: str, mover: Mover) -> Order:
    with moving(session, number, mover) as (order, step):
        order.start(step)
    return order


def complete(
    session: Session, number: str, mover: Mover, *, note: str, photos: Sequence[str], quantity: float | None
) -> Order:
    with moving(session, number, mover) as (order, step):
        note_named(session, photos)  # first: the move is written in one piece
        order.complete(step, note=note, quantity=quantity, photos=photos)
        tell(session, order, OrderCompleted, step.at, quantity=quantity)
        if order.was_seen_after():
            begin_again(session, order, note=seen_again(order))
    return order


def undo_complete(session: Session, number: str, mover: Mover) -> Order:
    with moving(session, number, mover) as (order, step):
        order.undo_complete(step)
        tell(session, order, OrderCompletionUndone, step.at)
    return order


def check(session: Session, number: str, mover: Mover, *, passed: bool, note: str) -> Order:
    """A passed check closes the order; a failed one is rework, which the same crew has again."""
    with moving(session, number, mover) as (order, step):
        if passed:
            order.pass_check(step, note=note)
            tell(session, order, OrderClosed, step.at)
        else:
            order.fail_check(step, note=note, term=new_term(session, order, step, "rework"))
            tell(session, order, OrderCompletionUndone, step.at)
            tell(session, order, OrderDispatched, step.at)
    return order


def void(session: Session, number: str, mover: Mover, *, reason: str, note: str) -> Order:
    with moving(session, number, mover) as (order, step):
        order.void(step, reason=VoidReason(reason), note=note)
        tell(session, order, OrderVoided, step.at, reason=reason)
    return order


def call_back(
    session: Session, number: str, mover: Mover, *, answered: bool, satisfied: bool | None, note: str
) -> Order:
    """Note what the citizen said; the order of somebody who is not satisfied is open again."""
    with moving(session, number, mover) as (order, step):
        order.call_back(step, answered=answered, satisfied=satisfied, note=note)
        if satisfied is False:
            again = mover.step(order)
            order.reopen(again, term=new_term(session, order, again, "dispose"))
            tell(session, order, OrderReopened, again.at)
    return order


def supervise(session: Session, number: str, mover: Mover, *, note: str) -> Order:
    with moving(session, number, mover) as (order, step):
        order.supervise(step, note=note)
        tell(session, order, OrderSupervised, step.at)
    return order


AGAIN = {State.COMPLETED: Order.send_again, State.CLOSED: Order.reopen}


def begin_again(session: Session, order: Order, *, note: str = "") -> None:
    """What happened since speaks against work that was done: the order is its crew's again, with a new clock."""
    step = Mover(name=SYSTEM).step(order)
    AGAIN[order.state](order, step, term=new_term(session, order, step, "dispose"), note=note)
    tell(session, order, OrderReopened, step.at)


def seen_again(order: Order) -> str:
    return f"Seen again at {order.seen_at:%Y-%m-%dT%H:%M:%SZ}, after the work was done."


def new_term(session: Session, order: Order, step: Step, stage: str) -> Term:
    """A new dispose clock: the catalogue's rework limit where it has one, else the limit that the order was given.

    It runs from when we knew: the crew cannot have known earlier, and nobody gives it more time by what they say.
    """
    catalogue = present_catalogue(session)
    limit = catalogue.limit_for(order.category, order.severity, stage) if stage == "rework" else None
    return run(limit or order.limit, step.recorded_at, catalogue.zone)


def check_crew_exists(session: Session, code: str) -> None:
    if session.get(Crew, code) is None:
        raise UnknownCrew(f"There is no crew {code}.", field="crew")
