"""One thing, one order: that of a finding for which another one stands is void. What is seen again is done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.orders import OPEN, Order, VoidReason
from services.workorders.use_cases.moving import AGAIN, Mover, begin_again, seen_again
from services.workorders.use_cases.opening import SYSTEM, case_of_defect, open_orders
from services.workorders.use_cases.telling import count, tell
from shared.events.assets import DefectDuplicated
from shared.events.inspections import FindingSeenAgain
from shared.events.workorders import OrderVoided

FIRST = 1  # revision of a finding that never was a defect of its own: nobody opens an order for it


def void_duplicates(session: Session, events: Sequence[DefectDuplicated]) -> None:
    """Strike out the orders of findings that another one stands for, also one that nobody has opened yet.

    The event of the defect may come later than this one: then its order is there already, and void.
    """
    told = {each.finding_id: each for each in events if each.revision > FIRST}
    open_orders(session, {finding_id: case_of_defect(each) for finding_id, each in told.items()}, {})
    for order in _orders_of(session, told):
        if order.state in OPEN and order.finding_id:
            with _counted(session, order):
                note = f"Finding {told[order.finding_id].duplicate_of} stands for it."
                order.void(step := Mover(name=SYSTEM).step(order), reason=VoidReason.DUPLICATE, note=note)
                tell(session, order, OrderVoided, step.at, reason=VoidReason.DUPLICATE.value)


def note_sightings(session: Session, events: Sequence[FindingSeenAgain]) -> None:
    """Keep when the problem was last seen; work that was done before, checked or not, begins again.

    One that has no order yet needs none of this: its crew cannot have been done before.
    """
    seen = {each.finding_id: each.seen_at for each in sorted(events, key=lambda each: each.seen_at)}
    for order in _orders_of(session, seen):
        at = seen[order.finding_id] if order.finding_id else None
        order.seen_at = max(filter(None, (order.seen_at, at)), default=None)
        if order.state in AGAIN and order.was_seen_after():
            with _counted(session, order):
                begin_again(session, order, note=seen_again(order))


def _orders_of(session: Session, finding_ids: Iterable[UUID]) -> Iterable[Order]:
    wanted = select(Order).where(tables.work_orders.c.finding_id.in_(list(finding_ids)))
    return session.scalars(wanted.order_by(tables.work_orders.c.id).with_for_update()).all()


@contextmanager
def _counted(session: Session, order: Order) -> Iterator[None]:
    before = order.state
    yield
    count(session, order, order.state, before)
