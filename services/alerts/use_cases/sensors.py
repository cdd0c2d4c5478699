"""Registering and changing sensors. What is changed counts at once, for the alert that stands too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from services.alerts.domain.rain import micrometres
from services.alerts.domain.sensors import (
    Sensor,
    SensorExists,
    check_sensor,
    check_thresholds,
    check_unit,
)
from services.alerts.tables import SENSOR, sensors
from services.alerts.use_cases.following import follow, follow_doubt, follow_silence
from services.alerts.use_cases.holding import lock_open, lock_sensor
from services.alerts.use_cases.places import check_way_round, lock_drawing, place_alerts, place_sensor
from services.alerts.use_cases.readings import RAIN, all_readings
from shared import clock, tallies
from shared.db import insert_new
from shared.errors import expect

STARTS_ANEW = ("largest_change", "bounds", "sentinels")  # with another measure, what was doubted is forgotten


def register_sensor(
    session: Session,
    *,
    code: str,
    kind: str,
    unit: str,
    location: Mapping[str, float],
    thresholds: Sequence[Mapping[str, Any]] = (),
    sends: str | None = None,
    district: str | None = None,
    **facts: Any,
) -> Sensor:
    """Add a sensor; ``facts``: name, margin, dwell_s, expected_every_s, bounds, largest_change, sentinels.

    Raises WrongUnit, NotRain, WrongThresholds, WrongBounds, PlaceSwapped, UnknownDistrict, FarFromDistrict and
    SensorExists.
    """
    sensor = Sensor(
        code=code,
        kind=kind,
        unit=unit,
        longitude=location["lon"],
        latitude=location["lat"],
        thresholds=check_thresholds(thresholds),
        sends=check_unit(kind, unit, sends),
        watched_since=clock.now(),
        **facts,
    )
    check_sensor(sensor)
    check_way_round(session, location)
    place_sensor(session, sensor, district)
    row = {column.key: getattr(sensor, column.key) for column in SENSOR}
    if not insert_new(session, sensors, [row], sensors.c.code):
        raise SensorExists(f"There is a sensor {code} already.")
    return sensor


def change_sensor(session: Session, *, code: str, expected: int | None = None, **changed: Any) -> Sensor:
    """Change what ``register_sensor`` takes, but for code, kind and unit; the alert that stands follows at once.

    Raises UnknownSensor, Stale, and what ``register_sensor`` does.
    """
    lock_drawing(session, shared=True)
    sensor = lock_sensor(session, code)
    expect(sensor.revision, expected)
    standing = lock_open(session, [code])
    _apply(session, sensor, dict(changed))
    check_sensor(sensor)
    sensor.revision += 1
    place_alerts(session, sensor, standing)
    follow(session, sensor, standing, clock.now())
    follow_silence(session, sensor, standing, may_raise=False)
    follow_doubt(session, sensor, standing, may_raise=False)
    return sensor


def _apply(session: Session, sensor: Sensor, changed: dict[str, Any]) -> None:
    if "thresholds" in changed:
        changed["thresholds"] = check_thresholds(changed["thresholds"])
    if "sends" in changed:
        _send_otherwise(session, sensor, changed.pop("sends"))
    if location := changed.pop("location", None):
        check_way_round(session, location)
        sensor.longitude, sensor.latitude = location["lon"], location["lat"]
    if any(name in changed for name in STARTS_ANEW):
        sensor.suspect_at = sensor.suspect_value = sensor.suspects = sensor.doubtful = sensor.calm_since = None
    named = changed.pop("district", None if sensor.district_found else sensor.district)
    for name, value in changed.items():
        setattr(sensor, name, value)
    place_sensor(session, sensor, named)


def _send_otherwise(session: Session, sensor: Sensor, sends: str | None) -> None:
    """What was read so far is counted anew, as it should have been."""
    before = micrometres(sensor, all_readings(session, sensor))
    sensor.sends = check_unit(sensor.kind, sensor.unit, sends)
    if sensor.kind == "rain":
        tallies.add(session, RAIN, (sensor.code,), micrometres(sensor, all_readings(session, sensor)) - before)
