"""The figures of alerts that metrics show, and their recount from the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import ACKNOWLEDGE_BUCKETS_S, Alert, acknowledge_bucket
from services.alerts.domain.sensors import Sensor
from services.alerts.tables import alerts, readings, sensors
from services.alerts.use_cases import ACKNOWLEDGED, ACKNOWLEDGED_MS, ACTIVE, RAIN, thousandths
from shared import tallies
from shared.tallies import Sums


def collect(session: Session) -> Iterator[Metric]:
    """Active alerts, levels, rain, and how long it took to acknowledge: all from the database."""
    yield _active(session)
    yield _levels(session)
    yield _rain(session)
    yield _acknowledged(session)


def _active(session: Session) -> Metric:
    labels = ["kind", "severity", "district", "acknowledged"]
    active = GaugeMetricFamily("waywarden_alerts_active", "Alerts that stand.", labels=labels)
    for key, count in sorted(tallies.read(session, ACTIVE).items()):
        active.add_metric(key, count)
    return active


def _levels(session: Session) -> Metric:
    levels = GaugeMetricFamily("waywarden_water_level_metres", "Newest water level.", labels=["sensor"])
    mine = sensors.c.kind == "water_level", sensors.c.last_value.is_not(None)
    for sensor in session.scalars(select(Sensor).where(*mine).order_by(sensors.c.code)):
        levels.add_metric([sensor.code], sensor.in_base_unit(sensor.last_value or 0.0))
    return levels


def _rain(session: Session) -> Metric:
    rain = CounterMetricFamily("waywarden_rain_millimetres", "Rain that fell.", labels=["sensor"])
    for key, amount in sorted(tallies.read(session, RAIN).items()):
        rain.add_metric(key, amount / 1000)
    return rain


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
    acknowledged: Counter[tuple[str, ...]] = Counter()
    acknowledged_ms: Counter[tuple[str, ...]] = Counter()
    wanted = select(Alert).where(alerts.c.active | alerts.c.acknowledged)
    for alert in session.scalars(wanted.execution_options(yield_per=1000)):
        if alert.labels:
            active[alert.labels] += 1
        seconds, severity = alert.seconds_to_acknowledge(), alert.acknowledged_severity
        if seconds is not None and severity is not None:
            acknowledged[severity, acknowledge_bucket(seconds)] += 1
            acknowledged_ms[severity,] += thousandths(seconds)
    return {ACTIVE: dict(active), ACKNOWLEDGED: dict(acknowledged), ACKNOWLEDGED_MS: dict(acknowledged_ms)}


def _recount_rain(session: Session) -> Sums:
    rain: Counter[tuple[str, ...]] = Counter()
    gauges = {sensor.code: sensor for sensor in session.scalars(select(Sensor).where(sensors.c.kind == "rain"))}
    wanted = select(readings.c.sensor, readings.c.value).where(readings.c.sensor.in_(sorted(gauges)))
    for code, value in session.execute(wanted.execution_options(yield_per=5000)):
        rain[code,] += thousandths(gauges[code].in_base_unit(value))
    return dict(rain)
