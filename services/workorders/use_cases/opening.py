"""Opening orders: one for each confirmed defect and for each alert that wants one, whenever its event comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.catalogue import Catalogue
from services.workorders.domain.clocks import run
from services.workorders.domain.crews import Crew, DispatchRule, choose_crew
from services.workorders.domain.orders import Order, Severity, Stage, State, Step
from services.workorders.use_cases.telling import count, tell
from shared import clock
from shared.db import insert_new
from shared.events.alerts import AlertRaised
from shared.events.assets import CataloguePublished, DefectRecorded
from shared.events.workorders import OrderDispatched, OrderRegistered

ORDER_FIELDS = [column.key for column in tables.work_orders.c if column.key != "id"]
STEP_FIELDS = [column.key for column in tables.order_moves.c if column.key not in ("id", "order_id")]
SYSTEM = "system"


def keep_catalogue(session: Session, events: Sequence[CataloguePublished]) -> None:
    """Keep the newest revision of each catalogue."""
    for event in sorted(events, key=lambda each: (each.name, each.revision)):
        mine = session.get(Catalogue, event.name, with_for_update=True)
        if mine is None:
            session.add(Catalogue(name=event.name, revision=event.revision, content=event.catalogue))
            session.flush()
        elif mine.revision < event.revision:
            mine.revision, mine.content = event.revision, event.catalogue


def open_for_defects(session: Session, events: Sequence[DefectRecorded]) -> None:
    """One order per finding, whatever the event's revision says: an event that comes late still has its effect."""
    catalogue, now = present_catalogue(session), clock.now()
    by_finding = {event.finding_id: event for event in events}
    orders = {key: order_for_defect(event, catalogue, now) for key, event in by_finding.items()}
    open_orders(session, orders, {key: event.photos for key, event in by_finding.items()})


def open_for_alerts(session: Session, events: Sequence[AlertRaised]) -> None:
    """One emergency order per alert whose rule names a category for it."""
    catalogue, now = present_catalogue(session), clock.now()
    wanted = {event.alert_id: event for event in events if event.order_category}
    open_orders(session, {key: order_for_alert(event, catalogue, now) for key, event in wanted.items()}, {})


def present_catalogue(session: Session) -> Catalogue:
    """This service's copy; an empty one until the first has come."""
    return session.scalars(select(Catalogue).limit(1)).first() or Catalogue(name="")


def order_for_defect(event: DefectRecorded, catalogue: Catalogue, now: datetime) -> Order:
    return new_order(
        catalogue,
        now,
        category=event.category,
        severity=Severity(event.severity),
        source=event.source,
        summary=event.summary,
        quantity=event.quantity,
        longitude=event.longitude,
        latitude=event.latitude,
        finding_id=event.finding_id,
        facility_code=event.facility_code,
        kind=event.kind,
        district=event.district,
        street=event.street,
        grid=event.grid,
        owner=event.owner,
        authority=event.authority,
        maintainer=event.maintainer,
    )


def order_for_alert(event: AlertRaised, catalogue: Catalogue, now: datetime) -> Order:
    return new_order(
        catalogue,
        now,
        category=event.order_category or "other",
        severity=Severity.EMERGENCY,
        source="sensor",
        summary=f"{event.kind} at {event.source}: {event.value:g} {event.unit}, {event.severity}",
        longitude=event.longitude,
        latitude=event.latitude,
        alert_id=event.alert_id,
        district=event.district,
    )


def new_order(catalogue: Catalogue, now: datetime, **known: Any) -> Order:
    """An order with its limit fixed: what the catalogue says later does not change it."""
    limit = catalogue.dispose_limit(known["category"], known["severity"])
    term = run(limit, now, catalogue.zone)
    order = Order(
        **known,
        group=catalogue.group_of(known["category"], known.get("kind")),
        registered_at=now,
        limit_amount=limit.amount,
        limit_clock=limit.clock,
        limit_source=limit.source,
        warn_at=term.warn_at,
        due_at=term.due_at,
    )
    order.register(system_step(now))
    return order


def open_orders(session: Session, orders: dict[UUID, Order], photos: dict[UUID, list[str]]) -> None:
    """Dispatch the orders by rule and insert those whose finding or alert has none yet, in a handful of statements."""
    dispatch_by_rule(session, orders.values())
    rows = [row_of(order) for order in orders.values()]
    columns = tables.work_orders.c
    new = insert_new(session, tables.work_orders, rows, columns.id, columns.finding_id, columns.alert_id)
    ids = {row.finding_id or row.alert_id: row.id for row in new}
    insert_new(session, tables.order_moves, [row for key in ids for row in step_rows(ids[key], orders[key])])
    insert_new(session, tables.order_photos, [row for key in ids for row in photo_rows(ids[key], photos.get(key, []))])
    for key, order_id in ids.items():
        orders[key].id = order_id
        announce(session, orders[key])


def dispatch_by_rule(session: Session, orders: Iterable[Order]) -> None:
    """Give each order to the crew that the first fitting rule names; one that no rule fits waits for a dispatcher."""
    rules = session.scalars(select(DispatchRule).where(tables.dispatch_rules.c.active)).all()
    crews = session.scalars(select(Crew)).all()
    for order in orders:
        if chosen := choose_crew(order, rules, crews):
            order.dispatch(system_step(order.registered_at), crew=chosen.crew, rule=chosen.rule)


def system_step(at: datetime) -> Step:
    return Step(by=SYSTEM, at=at, recorded_at=at)


def row_of(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in ORDER_FIELDS}


def step_rows(order_id: int, order: Order) -> list[dict[str, Any]]:
    return [{"order_id": order_id} | {name: getattr(step, name) for name in STEP_FIELDS} for step in order.moves]


def photo_rows(order_id: int, hashes: Iterable[str]) -> list[dict[str, Any]]:
    return [{"order_id": order_id, "sha256": each, "stage": Stage.REPORTED} for each in dict.fromkeys(hashes)]


def announce(session: Session, order: Order) -> None:
    """Say that the order was registered and, where a rule gave it to a crew, that as well."""
    at = order.registered_at
    tell(session, order, OrderRegistered, at, revision=1, state=State.REGISTERED.value, crew=None)
    if order.crew is not None:
        tell(session, order, OrderDispatched, at, rule=order.rule)
    count(session, order, order.state)
