"""What one can do with sensors, readings, alerts and rules. One transaction each; the session is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.alerts import queries
from services.alerts.domain.alerts import (
    Action,
    Alert,
    Rule,
    UnknownAlert,
    acknowledge_bucket,
    check_time,
)
from services.alerts.domain.sensors import (
    KINDS,
    Sensor,
    SensorExists,
    Severity,
    Standing,
    UnknownSensor,
    check_thresholds,
    check_unit,
)
from services.alerts.tables import alert_log, alerts, readings, rules, sensors
from shared import changes, clock, outbox, tallies
from shared.db import insert_new
from shared.errors import expect
from shared.events.alerts import AlertAcknowledged, AlertCleared, AlertEscalated, AlertEvent, AlertRaised

ACTIVE = "alerts_active"  # tally by kind, severity, district, acknowledged
RAIN = "rain"  # tally of thousandths of a millimetre by sensor
ACKNOWLEDGED = "acknowledged"  # tally by severity and bucket of the time that it took
ACKNOWLEDGED_MS = "acknowledged_ms"  # tally of milliseconds by severity
CHANGE = "alert"  # the kind under which the change log knows alerts
CHUNK = 1_000  # rows of one insert
READING_KEY = (readings.c.sensor, readings.c.at)
Readings = dict[tuple[str, datetime], float]  # by sensor and time

EVENTS: dict[Action, type[AlertEvent]] = {
    Action.RAISED: AlertRaised,
    Action.ROSE: AlertEscalated,
    Action.ESCALATED: AlertEscalated,
    Action.ACKNOWLEDGED: AlertAcknowledged,
    Action.CLEARED: AlertCleared,
}


def register_sensor(
    session: Session,
    *,
    code: str,
    kind: str,
    unit: str,
    location: Mapping[str, float],
    thresholds: Sequence[Mapping[str, Any]] = (),
    **facts: Any,
) -> Sensor:
    """Add a sensor; ``facts``: name, district, margin, dwell_s, expected_every_s.

    Raises WrongUnit, WrongThresholds and SensorExists.
    """
    check_unit(kind, unit)
    sensor = Sensor(
        code=code,
        kind=kind,
        unit=unit,
        longitude=location["lon"],
        latitude=location["lat"],
        thresholds=check_thresholds(thresholds),
        **facts,
    )
    row = {column.key: getattr(sensor, column.key) for column in sensors.c}
    if not insert_new(session, sensors, [row], sensors.c.code):
        raise SensorExists(f"There is a sensor {code} already.")
    return sensor


def change_sensor(session: Session, *, code: str, expected: int | None = None, **changed: Any) -> Sensor:
    """Change name, district, thresholds, margin, dwell_s or expected_every_s.

    New thresholds count from the next reading on. Raises UnknownSensor, Stale, WrongThresholds.
    """
    sensor = _lock_sensor(session, code)
    expect(sensor.revision, expected)
    if "thresholds" in changed:
        changed["thresholds"] = check_thresholds(changed["thresholds"])
    for name, value in changed.items():
        setattr(sensor, name, value)
    sensor.revision += 1
    return sensor


@dataclass
class Taken:
    """What became of a batch of readings: ``rejected`` holds {"index", "reason"}."""

    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)


def take_readings(session: Session, *, batch: Sequence[Mapping[str, Any]]) -> Taken:
    """Take readings [{"sensor", "at", "value"}], values in each sensor's unit.

    A reading that was sent before is accepted and has no effect. One that is older than the sensor's newest is kept,
    and changes no alert.
    """
    known = _lock_sensors(session, {each["sensor"] for each in batch})
    taken = Taken()
    good: Readings = {}
    for index, each in enumerate(batch):
        if reason := _refusal(known, each):
            taken.rejected.append({"index": index, "reason": reason})
        else:
            taken.accepted += 1
            good.setdefault((each["sensor"], each["at"]), float(each["value"]))
    new = _insert(session, good)
    _count_rain(session, known, new)
    _follow(session, known, new)
    return taken


def _refusal(known: Mapping[str, Sensor], reading: Mapping[str, Any]) -> str | None:
    if (sensor := known.get(reading["sensor"])) is None:
        return "there is no such sensor"
    return sensor.refuse(reading["value"], reading["at"], clock.now())


def _insert(session: Session, good: Readings) -> Readings:
    """Store what is not there yet; return that, in the order of its times."""
    now = clock.now()
    rows = [
        {"sensor": sensor, "at": at, "value": value, "recorded_at": now}
        for (sensor, at), value in sorted(good.items())
    ]  # fmt: skip
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    new = {tuple(row) for chunk in chunks for row in insert_new(session, readings, chunk, *READING_KEY)}
    return {key: value for key, value in sorted(good.items(), key=lambda each: each[0][1]) if key in new}


def _count_rain(session: Session, known: Mapping[str, Sensor], new: Readings) -> None:
    for (code, _), value in new.items():
        if known[code].kind == "rain":
            tallies.add(session, RAIN, (code,), thousandths(known[code].in_base_unit(value)))


def thousandths(amount: float) -> int:
    """How tallies hold quantities."""
    return round(amount * 1000)


def _follow(session: Session, known: Mapping[str, Sensor], new: Readings) -> None:
    """Let the alerts follow the readings that are newer than what we had."""
    standing = _lock_open_alerts(session, {code for code, _ in new})
    for (code, at), value in new.items():
        sensor = known[code]
        if sensor.last_at is not None and at <= sensor.last_at:
            continue
        sensor.last_at, sensor.last_value = at, value
        if alert := _follow_one(session, sensor, standing.get(code), value, at):
            standing[code] = alert
        else:
            standing.pop(code, None)


def _follow_one(session: Session, sensor: Sensor, alert: Alert | None, value: float, at: datetime) -> Alert | None:
    """The sensor's alert after a value, if one stands."""
    after = sensor.settle(alert.standing if alert else Standing(None), value, at)
    if alert is None:
        return _raise(session, sensor, after, value, at) if sensor.speaks(after.severity) else None
    with _counted(session, alert):
        alert.value = value
        action = alert.follow(after, at, by=sensor.code)
        if action is Action.ROSE:
            _apply_rules(session, alert)
    if action:
        _log(session, alert, action, by=sensor.code, at=at)
    changes.add(session, kind=CHANGE, key=str(alert.id))
    return alert if alert.active else None


def _raise(session: Session, sensor: Sensor, standing: Standing, value: float, at: datetime) -> Alert:
    sensor.dismissed = None
    alert = Alert(
        id=uuid4(),
        source=sensor.code,
        kind=sensor.kind,
        severity=standing.severity or Severity.MINOR,
        since=at,
        recorded_at=clock.now(),
        value=value,
        unit=sensor.unit,
        longitude=sensor.longitude,
        latitude=sensor.latitude,
        district=sensor.district,
    )
    _apply_rules(session, alert)
    session.add(alert)
    session.flush()
    tallies.add(session, ACTIVE, alert.labels or ())
    _log(session, alert, Action.RAISED, by=sensor.code, at=at)
    changes.add(session, kind=CHANGE, key=str(alert.id))
    return alert


def _apply_rules(session: Session, alert: Alert) -> None:
    """Let the first rule that matches say which order the alert opens; an order that was asked for stays."""
    if alert.order_category is None:
        in_order = session.scalars(select(Rule).order_by(rules.c.priority, rules.c.id))
        first = next((rule for rule in in_order if rule.matches(alert)), None)
        alert.order_category = first.order_category if first else None


def settle_dwells(session: Session) -> None:
    """Let alerts fall whose level has been inside the margin long enough, though no new reading says so."""
    waiting = select(alerts.c.source).where(alerts.c.active, alerts.c.below_since.is_not(None))
    known = _lock_sensors(session, session.scalars(waiting).all())
    for code, alert in sorted(_lock_open_alerts(session, known).items()):
        sensor = known[code]
        value, now = sensor.last_value, clock.now()
        if alert.below_since and value is not None and sensor.settle(alert.standing, value, now) != alert.standing:
            _follow_one(session, sensor, alert, value, now)


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
    alert, at = _lock_alert(session, alert_id, expected), _when(at)
    with _counted(session, alert):
        alert.acknowledge(at, by)
    seconds = alert.seconds_to_acknowledge() or 0.0
    tallies.add(session, ACKNOWLEDGED, (alert.severity, acknowledge_bucket(seconds)))
    tallies.add(session, ACKNOWLEDGED_MS, (alert.severity,), thousandths(seconds))
    return _done(session, alert, Action.ACKNOWLEDGED, by=by, at=at, note=note)


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
    alert, at = _lock_alert(session, alert_id, expected), _when(at)
    alert.escalate()
    return _done(session, alert, Action.ESCALATED, by=by, at=at, note=note)


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
    """Keep it quiet until a time. Raises UnknownAlert, Stale, NotActive, WrongSilence, InTheFuture."""
    alert, at = _lock_alert(session, alert_id, expected), _when(at)
    alert.silence(until, clock.now())
    return _done(session, alert, Action.SILENCED, by=by, at=at, note=note, until=until)


def clear_alert(
    session: Session,
    *,
    alert_id: UUID,
    by: str,
    expected: int | None = None,
    note: str | None = None,
    at: datetime | None = None,
) -> Alert:
    """End it by hand: its source speaks again once it was below, or goes higher.

    Raises UnknownAlert, Stale, NotActive, InTheFuture.
    """
    source = queries.get_alert(session, alert_id).source
    sensor = _lock_sensors(session, [source]).get(source)
    alert, at = _lock_alert(session, alert_id, expected), _when(at)
    with _counted(session, alert):
        alert.clear(at, by)
    if sensor:
        sensor.dismissed = alert.severity
    return _done(session, alert, Action.CLEARED, by=by, at=at, note=note)


def add_rule(session: Session, *, id: UUID | None = None, **facts: Any) -> Rule:
    """Add a rule; ``facts`` as in ``domain.alerts.Rule``."""
    rule = Rule(id=id or uuid4(), **facts)
    session.add(rule)
    return rule


def change_rule(session: Session, *, rule_id: UUID, expected: int | None = None, **changed: Any) -> Rule:
    """Change a rule; alerts that stand keep the order category that they got. Raises UnknownRule, Stale."""
    rule = queries.get_rule(session, rule_id)
    session.refresh(rule, with_for_update=True)
    expect(rule.revision, expected)
    for name, value in changed.items():
        setattr(rule, name, value)
    rule.revision += 1
    return rule


def _when(at: datetime | None) -> datetime:
    return check_time(at or clock.now(), clock.now())


def _done(session: Session, alert: Alert, action: Action, *, by: str, at: datetime, **more: Any) -> Alert:
    _log(session, alert, action, by=by, at=at, **more)
    changes.add(session, kind=CHANGE, key=str(alert.id))
    return alert


def _log(
    session: Session,
    alert: Alert,
    action: Action,
    *,
    by: str,
    at: datetime,
    note: str | None = None,
    until: datetime | None = None,
) -> None:
    """Write down what was done, and tell the other services where they need to know."""
    stand = {"alert_id": alert.id, "severity": alert.severity, "value": alert.value}
    done = {"action": action, "done_by": by, "note": note, "until": until}
    session.execute(insert(alert_log).values(**stand, **done, happened_at=at, recorded_at=clock.now()))
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


@contextmanager
def _counted(session: Session, alert: Alert) -> Iterator[None]:
    """Keep the count of active alerts right over a change."""
    before = alert.labels
    yield
    if before != alert.labels:
        for labels, amount in ((before, -1), (alert.labels, 1)):
            if labels:
                tallies.add(session, ACTIVE, labels, amount)


def _lock_sensors(session: Session, codes: Iterable[str]) -> dict[str, Sensor]:
    """Load sensors to change them: in one order everywhere, and always before their alerts."""
    wanted = select(Sensor).where(sensors.c.code.in_(sorted(set(codes)))).order_by(sensors.c.code).with_for_update()
    return {sensor.code: sensor for sensor in session.scalars(wanted)}


def _lock_sensor(session: Session, code: str) -> Sensor:
    if sensor := _lock_sensors(session, [code]).get(code):
        return sensor
    raise UnknownSensor(f"There is no sensor {code}.")


def _lock_open_alerts(session: Session, codes: Iterable[str]) -> dict[str, Alert]:
    """The open alerts of these sensors, by sensor."""
    mine = alerts.c.active, alerts.c.kind.in_(list(KINDS)), alerts.c.source.in_(sorted(codes))
    wanted = select(Alert).where(*mine).order_by(alerts.c.source).with_for_update()
    return {alert.source: alert for alert in session.scalars(wanted)}


def _lock_alert(session: Session, alert_id: UUID, expected: int | None) -> Alert:
    alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
    if alert is None:
        raise UnknownAlert(f"There is no alert {alert_id}.")
    expect(alert.revision, expected)
    return alert
