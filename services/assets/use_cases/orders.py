"""What workorders says of the orders about facilities, kept for their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.queries.codes import ids_of_codes
from services.assets.tables import defects, facility_orders
from shared import clock
from shared.db import insert_new
from shared.events.workorders import OrderEvent


def keep_orders(session: Session, events: Sequence[OrderEvent]) -> None:
    """Keep each revision of an order about a facility, once: whatever comes when, the newest one is how it stands.

    The facility is that of the defect which the order was opened for, else the one of its code.
    """
    now = clock.now()
    by_finding = _facilities_of_findings(session, events)
    by_code = ids_of_codes(session, {each.facility_code for each in events if each.facility_code})
    about = [(each, by_finding.get(each.finding_id) or by_code.get(each.facility_code or "")) for each in events]
    rows = {(each.number, each.revision): _row(each, facility, now) for each, facility in about if facility}
    insert_new(session, facility_orders, [rows[key] for key in sorted(rows)])


def _facilities_of_findings(session: Session, events: Sequence[OrderEvent]) -> Mapping[UUID | None, int]:
    wanted = {each.finding_id for each in events if each.finding_id}
    found = select(defects.c.finding_id, defects.c.facility_id).where(
        defects.c.finding_id.in_(wanted), defects.c.facility_id.is_not(None)
    )
    return {row.finding_id: row.facility_id for row in session.execute(found)} if wanted else {}


def _row(event: OrderEvent, facility_id: int, now: datetime) -> dict[str, Any]:
    return {
        "number": event.number,
        "revision": event.revision,
        "facility_id": facility_id,
        "finding_id": event.finding_id,
        "alert_id": event.alert_id,
        "state": event.state,
        "category": event.category,
        "severity": event.severity,
        "crew": event.crew,
        "rework_count": event.rework_count,
        "registered_at": event.registered_at,
        "due_at": event.due_at,
        "happened_at": event.happened_at,
        "recorded_at": now,
    }
