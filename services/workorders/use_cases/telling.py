"""What others hear of an order, and what the metrics count."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.workorders.domain.orders import Order, State
from shared import outbox, tallies
from shared.events.workorders import OrderEvent

ORDERS_BY_STATE = "work_orders"  # tally: state, category, district ("" where there is none)


def tell(session: Session, order: Order, kind: type[OrderEvent], at: datetime, **more: Any) -> None:
    """Let an event of this kind leave with the transaction: the order as it stands, but for what ``more`` says."""
    known = {
        "number": order.number,
        "state": order.state.value,
        "revision": order.revision,
        "category": order.category,
        "severity": order.severity.value,
        "registered_at": order.registered_at,
        "due_at": order.due_at,
        "rework_count": order.rework_count,
        "finding_id": order.finding_id,
        "alert_id": order.alert_id,
        "facility_code": order.facility_code,
        "district": order.district,
        "crew": order.crew,
        "disposed_at": order.disposed_at,
        "disposal_known_at": order.disposal_known_at,
        "warn_at": order.warn_at,
        "supervised": order.supervised,
        "happened_at": at,
        "recorded_at": order.known_since(),
    }
    outbox.record(session, kind(**known | more))


def count(session: Session, order: Order, now: State, before: State | None = None) -> None:
    """Count the order in the state that it has now, and no longer in the one before."""
    place = (order.category, order.district or "")
    tallies.add(session, ORDERS_BY_STATE, (now.value, *place))
    if before is not None:
        tallies.add(session, ORDERS_BY_STATE, (before.value, *place), -1)
