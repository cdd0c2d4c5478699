"""What is kept of everything that happens to an alert: its log, the events for others, the counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import Action, Alert
from services.alerts.domain.sensors import Sensor
from services.alerts.tables import alert_log, alerts
from shared import changes, clock, outbox, tallies
from shared.events.alerts import (
    AlertAcknowledged,
    AlertCleared,
    AlertEscalated,
    AlertEvent,
    AlertMoved,
    AlertRaised,
    SensorSilent,
)

ACTIVE = "alerts_active"  # tally by kind, severity, district, acknowledged
CHANGE = "alert"  # the kind under which the change log knows alerts

EVENTS: dict[Action, type[AlertEvent]] = {
    Action.RAISED: AlertRaised,
    Action.ROSE: AlertEscalated,
    Action.ESCALATED: AlertEscalated,
    Action.MOVED: AlertMoved,
    Action.ACKNOWLEDGED: AlertAcknowledged,
    Action.CLEARED: AlertCleared,
}


def thousandths(amount: float) -> int:
    """How tallies hold quantities."""
    return round(amount * 1000)


def changed(session: Session, alert: Alert) -> None:
    """Let the live stream show it."""
    changes.add(session, kind=CHANGE, key=str(alert.id))


def note(
    session: Session,
    alert: Alert,
    action: Action,
    *,
    by: str,
    at: datetime,
    note: str | None = None,
    until: datetime | None = None,
    said_at: datetime | None = None,
    known_at: datetime | None = None,
) -> None:
    """Write down what was done, and tell the other services where they need to know."""
    stand = {"alert_id": alert.id, "severity": alert.severity, "value": alert.value}
    done = {"action": action, "done_by": by, "note": note, "until": until}
    known = alert.asked_at if action is Action.ASKED_AGAIN else known_at or clock.now()  # the recount reads it there
    times = {"happened_at": at, "recorded_at": known, "said_at": said_at}
    session.execute(insert(alert_log).values(**stand, **done, **times))
    if action in EVENTS:
        outbox.record(session, _event(EVENTS[action], alert, at))


def _event(kind: type[AlertEvent], alert: Alert, at: datetime) -> AlertEvent:
    return kind(
        revision=alert.revision,
        happened_at=at,
        recorded_at=clock.now(),
        alert_id=alert.id,
        source=alert.source,
        kind=alert.kind,
        severity=alert.severity,
        active=alert.active,
        acknowledged=alert.acknowledged,
        since=alert.since,
        value=alert.value,
        unit=alert.unit,
        longitude=alert.longitude,
        latitude=alert.latitude,
        district=alert.district,
        order_category=alert.order_category,
    )


def tell_standing(session: Session) -> None:
    """Say again of each alert that stands where it stands."""
    for alert in session.scalars(select(Alert).where(alerts.c.active).order_by(alerts.c.id)):
        outbox.record(session, _event(AlertMoved, alert, clock.now()))
        changed(session, alert)


def tell_silent(session: Session, alert: Alert, sensor: Sensor) -> None:
    """Say that a sensor sends nothing."""
    event = SensorSilent(
        revision=alert.revision,
        happened_at=alert.since,
        recorded_at=clock.now(),
        alert_id=alert.id,
        source=sensor.code,
        kind=sensor.kind,
        since=alert.since,
        last_at=sensor.last_at,
        expected_every_s=sensor.expected_every_s,
        longitude=sensor.longitude,
        latitude=sensor.latitude,
        district=sensor.district,
    )
    outbox.record(session, event)


@contextmanager
def counted(session: Session, alert: Alert) -> Iterator[None]:
    """Keep the count of active alerts right over a change."""
    before = alert.labels
    yield
    if before != alert.labels:
        for labels, amount in ((before, -1), (alert.labels, 1)):
            if labels:
                tallies.add(session, ACTIVE, labels, amount)
