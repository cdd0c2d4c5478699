"""Alerts follow their sensors: their levels, and whether they send at all. Sensor and alerts are held by the caller."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import DOUBT, SILENCE, Action, Alert, Rule, Silence
from services.alerts.domain.sensors import Sensor, Severity, Standing, worst
from services.alerts.tables import rules, silences
from services.alerts.use_cases.holding import Open
from services.alerts.use_cases.telling import ACTIVE, changed, counted, note, tell_silent
from shared import clock, tallies


def follow(session: Session, sensor: Sensor, standing: Open, at: datetime) -> None:
    """Raise, change or clear the alert of a sensor's level; ``standing`` is kept as it then is."""
    key = sensor.code, sensor.kind
    if sensor.last_value is None:
        return
    if alert := standing.get(key):
        _move(session, sensor, alert, sensor.last_value, at)
        if not alert.active:
            del standing[key]
    elif severity := sensor.severity:
        standing[key] = _raise(
            session, sensor, kind=sensor.kind, severity=severity, since=at, value=sensor.last_value, unit=sensor.unit
        )


def _move(session: Session, sensor: Sensor, alert: Alert, value: float, at: datetime) -> None:
    with counted(session, alert):
        alert.value = value
        done = alert.follow(sensor.settle(alert.standing, value, at), at, by=sensor.code, now=clock.now())
        if Action.ROSE in done:
            _apply_rules(session, alert)
    _keep(session, alert, done, at)


def _keep(session: Session, alert: Alert, done: list[Action], at: datetime) -> None:
    for action in done:
        note(session, alert, action, by=alert.source, at=at)
    if Action.UNSILENCED in done:
        forget_silence(session, alert)
    changed(session, alert)


def overtake(session: Session, alert: Alert, at: datetime) -> None:
    """Let an alert ask again that got worse while a former version looked after it."""
    with counted(session, alert):
        done = alert.worsen(at)
        alert.revision += 1
    _keep(session, alert, done, at)


def moves(sensor: Sensor, alert: Alert | None, now: datetime) -> bool:
    """Whether time alone, or another threshold, moves the alert. Without readings it may rise, and does not fall."""
    held = alert.standing if alert else Standing(None)
    if sensor.last_value is None or (after := sensor.settle(held, sensor.last_value, now)) == held:
        return False
    return not sensor.is_silent(now) or (rank(after.severity) > rank(held.severity))


def rank(severity: Severity | None) -> int:
    return -1 if severity is None else severity.rank


def follow_silence(session: Session, sensor: Sensor, standing: Open, *, may_raise: bool) -> None:
    """Raise the alert that a sensor is silent, as severe as what stands there; clear it once the sensor sends."""
    key, now = (sensor.code, SILENCE), clock.now()
    alert, silent = standing.get(key), sensor.is_silent(now)
    flood = standing.get((sensor.code, sensor.kind))
    if alert and not silent:
        _end(session, alert, now)
        del standing[key]
    elif alert and flood:
        _lift(session, alert, flood.severity, now)
    elif silent and not alert and may_raise and (since := sensor.silent_from) and sensor.patience:
        severity, after_s = flood.severity if flood else Severity.MINOR, sensor.patience.total_seconds()
        alert = _raise(session, sensor, kind=SILENCE, severity=severity, since=since, value=after_s, unit="s")
        tell_silent(session, alert, sensor)
        standing[key] = alert


def follow_doubt(session: Session, sensor: Sensor, standing: Open, *, may_raise: bool) -> None:
    """Raise the alert that what a sensor sends is refused and may be water; as severe as that, and as what stands."""
    key = sensor.code, DOUBT
    flood, at, value = standing.get((sensor.code, sensor.kind)), sensor.doubted_at, sensor.doubted_value
    severity = worst(sensor.severity_in_doubt, flood.severity if flood else None)
    if at is None or value is None:
        return
    if alert := standing.get(key):
        if alert.value != value:
            alert.value = value
            changed(session, alert)
        _lift(session, alert, severity, at)
    elif may_raise:
        standing[key] = _raise(session, sensor, kind=DOUBT, severity=severity, since=at, value=value, unit=sensor.unit)


def end_doubt(session: Session, sensor: Sensor, standing: Open, at: datetime) -> None:
    """End the doubt once the sensor has been calm for long enough."""
    if (sensor.code, DOUBT) in standing and sensor.is_calm(at):
        _end(session, standing.pop((sensor.code, DOUBT)), at)


def _end(session: Session, alert: Alert, at: datetime) -> None:
    with counted(session, alert):
        alert.end(at, alert.source)
    note(session, alert, Action.CLEARED, by=alert.source, at=at)
    changed(session, alert)


def _lift(session: Session, alert: Alert, severity: Severity, at: datetime) -> None:
    """Let an alert about a sensor be as severe as what it hides; it does not fall."""
    if severity.rank > alert.severity.rank:
        with counted(session, alert):
            done = alert.follow(Standing(severity), at, by=alert.source, now=clock.now())
            _apply_rules(session, alert)
        _keep(session, alert, done, at)


def _raise(
    session: Session, sensor: Sensor, *, kind: str, severity: Severity, since: datetime, value: float, unit: str
) -> Alert:
    alert = Alert(
        id=uuid4(),
        source=sensor.code,
        kind=kind,
        severity=severity,
        since=since,
        recorded_at=clock.now(),
        value=value,
        unit=unit,
        longitude=sensor.longitude,
        latitude=sensor.latitude,
        district=sensor.district,
    )
    _apply_rules(session, alert)
    silence = _silence_for(session, alert)
    alert.hush(silence)
    session.add(alert)
    session.flush()
    tallies.add(session, ACTIVE, alert.labels or ())
    note(session, alert, Action.RAISED, by=sensor.code, at=since)
    if silence:
        note(session, alert, Action.SILENCED, by=silence.by, at=since, note=silence.reason, until=silence.until)
    changed(session, alert)
    return alert


def _apply_rules(session: Session, alert: Alert) -> None:
    """Let the first rule that matches say which order the alert opens; an order that was asked for stays."""
    if alert.order_category is None:
        in_order = session.scalars(select(Rule).order_by(rules.c.priority, rules.c.id))
        first = next((rule for rule in in_order if rule.matches(alert)), None)
        alert.order_category = first.order_category if first else None


def _silence_for(session: Session, alert: Alert) -> Silence | None:
    """The silence of its source that covers a new alert; one that is too severe for it has broken it."""
    silence = session.get(Silence, (alert.source, alert.kind))
    if silence is None or silence.holds(alert.severity, clock.now()):
        return silence
    forget_silence(session, alert)
    return None


def forget_silence(session: Session, alert: Alert) -> None:
    """What this source raises from now on is heard."""
    session.execute(delete(silences).where(silences.c.source == alert.source, silences.c.kind == alert.kind))
