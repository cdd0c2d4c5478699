"""The figures of alerts that metrics show, and their recount from the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import (
    ACKNOWLEDGE_BUCKETS_S,
    SILENCE,
    Action,
    Alert,
    acknowledge_bucket,
    seconds_between,
)
from services.alerts.domain.rain import micrometres
from services.alerts.domain.sensors import Sensor
from services.alerts.tables import alert_log, alerts, sensors
from services.alerts.use_cases.handling import ACKNOWLEDGED, ACKNOWLEDGED_MS
from services.alerts.use_cases.readings import RAIN, REJECTED, all_readings
from services.alerts.use_cases.telling import ACTIVE, thousandths
from shared import clock, tallies
from shared.tallies import Sums


def collect(session: Session) -> Iterator[Metric]:
    """Active alerts, levels, rain, silent sensors, and how long it took to acknowledge: all from the database."""
    yield _active(session)
    yield from _sensors(session)
    yield _silent(session)
    yield _rain(session)
    yield _rejected(session)
    yield _acknowledged(session)


def _active(session: Session) -> Metric:
    labels = ["kind", "severity", "district", "acknowledged"]
    active = GaugeMetricFamily("waywarden_alerts_active", "Alerts that stand.", labels=labels)
    for key, count in sorted(tallies.read(session, ACTIVE).items()):
        active.add_metric(key, count)
    return active


def _sensors(session: Session) -> Iterator[Metric]:
    """The levels, where they still say how things are, and of when the newest readings are."""
    levels = GaugeMetricFamily("waywarden_water_level_metres", "Newest water level, while current.", labels=["sensor"])
    times = GaugeMetricFamily(
        "waywarden_sensor_last_reading_timestamp_seconds", "Time of the newest reading.", labels=["sensor"]
    )
    now = clock.now()
    for sensor in session.scalars(select(Sensor).where(sensors.c.last_at.is_not(None)).order_by(sensors.c.code)):
        if sensor.last_at and sensor.last_value is not None:
            times.add_metric([sensor.code], sensor.last_at.timestamp())
            if sensor.kind == "water_level" and sensor.is_current(now):
                levels.add_metric([sensor.code], sensor.in_base_unit(sensor.last_value))
    yield levels
    yield times


def _silent(session: Session) -> Metric:
    silent = GaugeMetricFamily("waywarden_sensors_silent", "Sensors that are late.", labels=["kind", "district"])
    its = and_(alerts.c.source == sensors.c.code, alerts.c.kind == SILENCE, alerts.c.active)
    by = sensors.c.kind, func.coalesce(sensors.c.district, "")
    expected = sensors.c.expected_every_s.is_not(None)
    counts = select(*by, func.count(alerts.c.id)).select_from(sensors.outerjoin(alerts, its)).where(expected)
    for kind, district, count in session.execute(counts.group_by(*by).order_by(*by)):
        silent.add_metric([kind, district], count)
    return silent


def _rain(session: Session) -> Metric:
    rain = CounterMetricFamily("waywarden_rain_metres", "Rain that fell.", labels=["sensor"])
    for key, amount in sorted(tallies.read(session, RAIN).items()):
        rain.add_metric(key, amount / 1_000_000)
    return rain


def _rejected(session: Session) -> Metric:
    help = "Readings that were refused, by the kind of their sensor."
    rejected = CounterMetricFamily("waywarden_readings_rejected", help, labels=["kind", "reason"])
    for key, count in sorted(tallies.read(session, REJECTED).items()):
        rejected.add_metric(key, count)
    return rejected


def _acknowledged(session: Session) -> Metric:
    help = "From when we knew of an alert to when somebody took it."
    times = HistogramMetricFamily("waywarden_alert_acknowledge_seconds", help, labels=["severity"])
    counts, sums = tallies.read(session, ACKNOWLEDGED), tallies.read(session, ACKNOWLEDGED_MS)
    for severity in sorted({severity for severity, _ in counts}):
        total, buckets = 0, []
        for bound in [*(f"{each}.0" for each in ACKNOWLEDGE_BUCKETS_S), "+Inf"]:
            total += counts.get((severity, bound), 0)
            buckets.append((bound, total))
        times.add_metric([severity], buckets, sums.get((severity,), 0) / 1000)
    return times


def recount(session: Session) -> dict[str, Sums]:
    """The tallies as the alerts and readings themselves have them."""
    return {**_recount_alerts(session), RAIN: _recount_rain(session)}


def _recount_alerts(session: Session) -> dict[str, Sums]:
    active: Counter[tuple[str, ...]] = Counter()
    wanted = select(Alert).where(alerts.c.active)
    for alert in session.scalars(wanted.execution_options(yield_per=1000)):
        if alert.labels:
            active[alert.labels] += 1
    return {ACTIVE: dict(active), **_recount_acknowledged(session)}


def _recount_acknowledged(session: Session) -> dict[str, Sums]:
    """From the log: an alert that got worse asked, and was taken, more than once."""
    times: Counter[tuple[str, ...]] = Counter()
    times_ms: Counter[tuple[str, ...]] = Counter()
    asked: dict[UUID, datetime] = {}
    log = alert_log.c
    entries = select(
        log.alert_id,
        log.action,
        log.severity,
        log.happened_at,
        log.recorded_at,
        alerts.c.recorded_at.label("raised_at"),
    )
    wanted = alert_log.c.action.in_([Action.ACKNOWLEDGED, Action.ASKED_AGAIN])
    in_order = entries.join(alerts, alerts.c.id == alert_log.c.alert_id).where(wanted).order_by(alert_log.c.id)
    for alert_id, action, severity, done_at, noted_at, raised_at in session.execute(in_order):
        if action is Action.ASKED_AGAIN:
            asked[alert_id] = noted_at
            continue
        seconds = seconds_between(asked.get(alert_id, raised_at), done_at, noted_at)
        times[severity, acknowledge_bucket(seconds)] += 1
        times_ms[severity,] += thousandths(seconds)
    return {ACKNOWLEDGED: dict(times), ACKNOWLEDGED_MS: {key: ms for key, ms in times_ms.items() if ms}}


def _recount_rain(session: Session) -> Sums:
    gauges = session.scalars(select(Sensor).where(sensors.c.kind == "rain")).all()
    sums = {(gauge.code,): micrometres(gauge, all_readings(session, gauge)) for gauge in gauges}
    return {key: amount for key, amount in sums.items() if amount}
