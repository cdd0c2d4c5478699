"""Opening orders: one for each confirmed defect and for each alert that wants one, whenever its event comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.clocks import Term, run
from services.workorders.domain.crews import Choice, Crew, DispatchRule, Sort, choose_crew
from services.workorders.domain.orders import Severity, Stage, State, number_of, words_of
from services.workorders.queries import present_catalogue
from services.workorders.use_cases.photos import note_named
from services.workorders.use_cases.telling import ORDERS_BY_STATE
from shared import clock, outbox, tallies
from shared.db import insert_new
from shared.events.alerts import AlertEvent
from shared.events.assets import DefectEvent, DefectRecorded
from shared.events.workorders import OrderDispatched, OrderRegistered
from shared.lists.codes import present_codes

SYSTEM = "system"
TOLD_ALIKE = (
    "category", "severity", "registered_at", "due_at", "warn_at", "rework_count", "finding_id", "alert_id",
    "facility_code", "district",
)  # fmt: skip
DEFECT_FIELDS = (
    "category", "severity", "source", "summary", "quantity", "longitude", "latitude", "finding_id", "facility_code",
    "kind", "district", "street", "grid", "owner", "authority", "maintainer",
)  # fmt: skip
NOTHING_YET: dict[str, Any] = dict.fromkeys(column.key for column in tables.work_orders.c if column.key != "id") | {
    "summary": "",
    "note": "",
    "supervised": False,
    "rework_count": 0,
}

Row = dict[str, Any]


def open_for_defects(session: Session, events: Sequence[DefectRecorded]) -> None:
    """One order per finding, whatever the event's revision says: an event that comes late still has its effect."""
    by_finding = {event.finding_id: event for event in events}
    cases = {key: case_of_defect(event) for key, event in by_finding.items()}
    open_orders(session, cases, {key: (event.photos, event.reporter_mark) for key, event in by_finding.items()})


def case_of_defect(event: DefectEvent) -> Row:
    return {name: getattr(event, name) for name in DEFECT_FIELDS}


def case_of_alert(event: AlertEvent) -> Row:
    return {
        "category": event.order_category,
        "severity": Severity.EMERGENCY.value,
        "source": "sensor",
        "summary": summary_of(event),
        "longitude": event.longitude,
        "latitude": event.latitude,
        "alert_id": event.alert_id,
        "alert_revision": event.revision,
        "alert_active": event.active,
        "district": event.district,
    }


def summary_of(event: AlertEvent) -> str:
    return f"{event.kind} at {event.source}: {event.value:g} {event.unit}, {event.severity}"


class Desk:
    """Where cases become orders: it fixes their limits and chooses their crews, each sort of case once a batch."""

    def __init__(self, session: Session, now: datetime) -> None:
        self.now = now
        self.catalogue = present_catalogue(session)
        self.rules = session.scalars(select(DispatchRule).where(tables.dispatch_rules.c.active)).all()
        self.crews = session.scalars(select(Crew)).all()
        self.term = cache(self._term)
        self.choice = cache(self._choice)

    def register(self, case: Row) -> Row:
        """The row of a new order, dispatched where a rule fits; what the catalogue says later does not change it.

        Rows, not Order: thousands a second come in after a storm. A test holds them to what Order's moves do.
        """
        category, severity, kind = case["category"], case["severity"], case.get("kind")
        group = self.catalogue.group_of(category, kind)
        term = self.term(category, severity)
        choice = self.choice(Sort(category, group, kind, case.get("district"), severity))
        return {
            **NOTHING_YET,
            **case,
            "group": group,
            "search": words_of(case.get("summary"), case.get("street"), case.get("facility_code")),
            "registered_at": self.now,
            "limit_amount": term.limit.amount,
            "limit_clock": term.limit.clock,
            "limit_source": term.limit.source,
            "warn_at": term.warn_at,
            "due_at": term.due_at,
            "state": State.DISPATCHED if choice else State.REGISTERED,
            "revision": 2 if choice else 1,
            "crew": choice.crew if choice else None,
            "rule": choice.rule if choice else "",
        }

    def _term(self, category: str, severity: str) -> Term:
        return run(self.catalogue.dispose_limit(category, severity), self.now, self.catalogue.zone)

    def _choice(self, sort: Sort) -> Choice | None:
        return choose_crew(sort, self.rules, self.crews)


def open_orders(session: Session, cases: dict[UUID, Row], photos: dict[UUID, tuple[list[str], str | None]]) -> None:
    """Insert the orders of the cases that have none yet, with their first moves, in a handful of statements."""
    desk, columns = Desk(session, clock.now()), tables.work_orders.c
    now = present_codes(session, tables.former_codes, (each.get("facility_code") for each in cases.values()))
    for case in cases.values():  # an event from before its facility was renumbered
        case |= {"facility_code": now[case["facility_code"]]} if case.get("facility_code") in now else {}
    orders = {key: desk.register(cases[key]) for key in sorted(cases)}  # in one order everywhere: nobody deadlocks
    rows = list(orders.values())
    new = insert_new(session, tables.work_orders, rows, columns.id, columns.finding_id, columns.alert_id)
    ids = {row.finding_id or row.alert_id: row.id for row in new}
    insert_new(session, tables.order_moves, [row for key in ids for row in move_rows(ids[key], orders[key])])
    named = [row for key in ids if key in photos for row in photo_rows(ids[key], *photos[key])]
    insert_new(session, tables.order_photos, named)
    if named:
        note_named(session, (row["sha256"] for row in named))
    for key, order_id in ids.items():
        announce(session, order_id, orders[key])


def move_rows(order_id: int, order: Row) -> list[Row]:
    registered = {
        "order_id": order_id,
        "move": "register",
        "from_state": None,
        "to_state": State.REGISTERED,
        "by": SYSTEM,
        "at": order["registered_at"],
        "recorded_at": order["registered_at"],
        "crew": None,
        "note": "",
    }
    if order["crew"] is None:
        return [registered]
    dispatched = {
        **registered,
        "move": "dispatch",
        "from_state": State.REGISTERED,
        "to_state": State.DISPATCHED,
        "crew": order["crew"],
    }
    return [registered, dispatched]


def photo_rows(order_id: int, hashes: Iterable[str], mark: str | None) -> list[Row]:
    reported = {"order_id": order_id, "stage": Stage.REPORTED, "reporter_mark": mark}
    return [{**reported, "sha256": each} for each in dict.fromkeys(hashes)]


def announce(session: Session, order_id: int, order: Row) -> None:
    """Say that the order was registered and, where a rule gave it to a crew, that as well."""
    at, crew = order["registered_at"], order["crew"]
    known = {name: order[name] for name in TOLD_ALIKE}
    known |= {"number": number_of(at, order_id), "happened_at": at, "recorded_at": at}
    outbox.record(session, OrderRegistered(**known, revision=1, state="registered"))
    if crew is not None:
        dispatched = OrderDispatched(**known, revision=2, state="dispatched", crew=crew, rule=order["rule"])
        outbox.record(session, dispatched)
    tallies.add(session, ORDERS_BY_STATE, (order["state"].value, order["category"], order["district"] or ""))
