"""What people in the control room do with alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from services.alerts import queries
from services.alerts.domain.alerts import Action, Alert, acknowledge_bucket, check_gone, check_time
from services.alerts.use_cases.following import forget_silence
from services.alerts.use_cases.holding import lock_alert, lock_open, lock_sensors
from services.alerts.use_cases.telling import changed, counted, note, thousandths
from shared import clock, tallies

ACKNOWLEDGED = "acknowledged"  # tally by severity and bucket of the time that it took
ACKNOWLEDGED_MS = "acknowledged_ms"  # tally of milliseconds by severity


def acknowledge_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """Somebody in the control room takes it. Raises UnknownAlert, Stale, AcknowledgedAlready, InTheFuture."""
    alert, at = lock_alert(session, alert_id, expected), _when(at)
    with counted(session, alert):
        alert.acknowledge(at, by)
    seconds = alert.seconds_to_acknowledge() or 0.0
    tallies.add(session, ACKNOWLEDGED, (alert.severity, acknowledge_bucket(seconds)))
    tallies.add(session, ACKNOWLEDGED_MS, (alert.severity,), thousandths(seconds))
    return _done(session, alert, Action.ACKNOWLEDGED, by=by, at=at, text=note)


def escalate_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """Call for more. Raises UnknownAlert, Stale, NotActive, InTheFuture."""
    alert, at = lock_alert(session, alert_id, expected), _when(at)
    alert.escalate()
    return _done(session, alert, Action.ESCALATED, by=by, at=at, text=note)


def silence_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    until: datetime,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """Keep it, and what its source raises after it, quiet until a time, unless it gets worse.

    Raises UnknownAlert, Stale, NotActive, WrongSilence, InTheFuture.
    """
    alert, at = lock_alert(session, alert_id, expected), _when(at)
    session.merge(alert.silence(until, clock.now(), by, note))
    return _done(session, alert, Action.SILENCED, by=by, at=at, text=note, until=until)


def unsilence_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """Let it, and what stands of its source, be heard again before the silence ends.

    Raises UnknownAlert, Stale, NotSilenced, InTheFuture.
    """
    asked = queries.get_alert(session, alert_id)
    key = asked.source, asked.kind
    lock_sensors(session, [asked.source])
    standing = lock_open(session, [asked.source]).get(key)
    alert, at = lock_alert(session, alert_id, expected), _when(at)
    alert.unsilence(clock.now())
    forget_silence(session, alert)
    if standing and standing is not alert and standing.is_silenced(clock.now()):
        standing.unsilence(clock.now())
        _done(session, standing, Action.UNSILENCED, by=by, at=at, text=note)
    return _done(session, alert, Action.UNSILENCED, by=by, at=at, text=note)


def clear_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """End it by hand, once what raised it is gone. Raises UnknownAlert, Stale, NotActive, StillThere, InTheFuture."""
    source = queries.get_alert(session, alert_id).source
    sensor = lock_sensors(session, [source]).get(source)
    alert, at = lock_alert(session, alert_id, expected), _when(at)
    with counted(session, alert):
        alert.clear(at, by)
    if sensor:
        check_gone(alert, sensor, clock.now())
    return _done(session, alert, Action.CLEARED, by=by, at=at, text=note)


def _when(at: datetime | None) -> datetime:
    return check_time(at or clock.now(), clock.now())


def _done(
    session: Session, alert: Alert, action: Action, *, by: str, at: datetime, text: str | None, **more: Any
) -> Alert:
    note(session, alert, action, by=by, at=at, note=text, **more)
    changed(session, alert)
    return alert
