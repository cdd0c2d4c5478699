"""What people in the control room do with alerts."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from services.alerts import queries
from services.alerts.domain.alerts import Action, Alert, acknowledge_bucket, check_gone, set_right
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
    alert = lock_alert(session, alert_id, expected)
    when = _when(alert, at)
    with counted(session, alert):
        alert.acknowledge(when.at, by)
    seconds = alert.seconds_to_acknowledge(when.known_at) or 0.0
    tallies.add(session, ACKNOWLEDGED, (alert.severity, acknowledge_bucket(seconds)))
    tallies.add(session, ACKNOWLEDGED_MS, (alert.severity,), thousandths(seconds))
    return _done(session, alert, Action.ACKNOWLEDGED, by=by, when=when, text=note)


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
    alert = lock_alert(session, alert_id, expected)
    when = _when(alert, at)
    alert.escalate()
    return _done(session, alert, Action.ESCALATED, by=by, when=when, text=note)


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
    alert = lock_alert(session, alert_id, expected)
    when = _when(alert, at)
    session.merge(alert.silence(until, clock.now(), by, note))
    return _done(session, alert, Action.SILENCED, by=by, when=when, text=note, until=until)


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
    alert = lock_alert(session, alert_id, expected)
    when = _when(alert, at)
    alert.unsilence(clock.now())
    forget_silence(session, alert)
    if standing and standing is not alert and standing.is_silenced(clock.now()):
        standing.unsilence(clock.now())
        _done(session, standing, Action.UNSILENCED, by=by, when=when, text=note)
    return _done(session, alert, Action.UNSILENCED, by=by, when=when, text=note)


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
    alert = lock_alert(session, alert_id, expected)
    when = _when(alert, at)
    with counted(session, alert):
        alert.clear(when.at, by)
    if sensor:
        check_gone(alert, sensor, clock.now())
    return _done(session, alert, Action.CLEARED, by=by, when=when, text=note)


class When(NamedTuple):
    """When something was done to an alert, what was said where that cannot be, and when we knew."""

    at: datetime
    said_at: datetime | None
    known_at: datetime


def _when(alert: Alert, at: datetime | None) -> When:
    now = clock.now()
    possible = set_right(at or now, min(alert.since, alert.recorded_at, now), now)
    return When(possible, at if at and at != possible else None, now)


def _done(
    session: Session,
    alert: Alert,
    action: Action,
    *,
    by: str,
    when: When,
    text: str | None,
    until: datetime | None = None,
) -> Alert:
    note(session, alert, action, by=by, note=text, until=until, **when._asdict())
    changed(session, alert)
    return alert
