"""Emergency orders: one for each alert that wants one, which follows its alert from then on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.crews import Sort
from services.workorders.domain.orders import OPEN, Order, Step
from services.workorders.use_cases.moving import AGAIN, Mover, begin_again
from services.workorders.use_cases.opening import SYSTEM, Desk, case_of_alert, open_orders, summary_of
from services.workorders.use_cases.telling import ORDERS_BY_STATE, tell
from shared import clock, tallies
from shared.events.alerts import AlertCleared, AlertEscalated, AlertEvent
from shared.events.workorders import OrderDispatched

PLACE = ("district", "longitude", "latitude")
UNGIVEN = ("register", "follow_alert")  # the moves of an order that nobody had yet


def open_for_alerts(session: Session, events: Sequence[AlertEvent]) -> None:
    """One emergency order per alert whose rule names a category for it, at once or when it has grown severe enough.

    The order of an alert that has one follows it. An event that comes late still opens an order, and moves none.
    """
    told: dict[UUID, list[AlertEvent]] = {}
    for event in sorted(events, key=lambda each: each.revision):
        if event.order_category:
            told.setdefault(event.alert_id, []).append(event)
    for order in _orders_of(session, {alert_id: known[-1] for alert_id, known in told.items()}):
        if order.alert_id:
            _follow(session, order, told[order.alert_id])


def end_alerts(session: Session, events: Sequence[AlertCleared]) -> None:
    """Let the orders of these alerts know that they have ended, also one that nobody has opened yet."""
    told = {event.alert_id: event for event in events if event.order_category}
    for order in _orders_of(session, told):
        if order.alert_id:
            order.alert_active, order.alert_ended = False, told[order.alert_id].revision


def _orders_of(session: Session, told: Mapping[UUID, AlertEvent]) -> Iterable[Order]:
    """The orders of these alerts, opened where there is none yet, and held."""
    open_orders(session, {alert_id: case_of_alert(event) for alert_id, event in told.items()}, {})
    mine = select(Order).where(tables.work_orders.c.alert_id.in_(list(told))).order_by(tables.work_orders.c.id)
    return session.scalars(mine.with_for_update())


def _follow(session: Session, order: Order, told: Sequence[AlertEvent]) -> None:
    """Worse is new: where the work was done, it begins again, with a new clock. An order that is void stays so."""
    before, newest = _counted_as(order), told[-1]
    if any(_is_worse(order, each) for each in told) and order.state in AGAIN:
        begin_again(session, order)
    if order.is_behind(newest.revision) and newest.revision > (order.alert_ended or 0):
        order.alert_active = newest.active  # opened by a former version, or the database of alerts was restored
    if order.state in OPEN and order.is_behind(newest.revision):
        place = {name: getattr(newest, name) for name in PLACE}
        order.follow_alert(_step(order), revision=newest.revision, summary=summary_of(newest), place=place)
        _dispatch(session, order)
    tallies.add(session, ORDERS_BY_STATE, before, -1)
    tallies.add(session, ORDERS_BY_STATE, _counted_as(order))


def _is_worse(order: Order, event: AlertEvent) -> bool:
    """Whether the alert got worse than the order knew, or after the work was done: that its place changed may have been
    heard first, on another queue."""
    late = order.disposed_at is not None and event.recorded_at > order.disposed_at
    return isinstance(event, AlertEscalated) and (order.is_behind(event.revision) or late)


def _dispatch(session: Session, order: Order) -> None:
    """One that no rule gave to anybody, since its district was not known, goes to the crew that a rule names now."""
    if any(each.move not in UNGIVEN for each in order.moves):
        return
    sort = Sort(order.category, order.group, order.kind, order.district, order.severity)
    if choice := Desk(session, clock.now()).choice(sort):
        step = _step(order)
        order.dispatch(step, crew=choice.crew, rule=choice.rule)
        tell(session, order, OrderDispatched, step.at, rule=choice.rule)


def _step(order: Order) -> Step:
    return Mover(name=SYSTEM).step(order)


def _counted_as(order: Order) -> tuple[str, str, str]:
    return order.state.value, order.category, order.district or ""
