"""Rows are locked in one order everywhere: sensors by code, then their alerts, so that nobody waits in a circle."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import Alert, UnknownAlert
from services.alerts.domain.sensors import Sensor, UnknownSensor
from services.alerts.tables import alerts, sensors
from shared.errors import expect

Open = dict[tuple[str, str], Alert]  # the open alerts by source and kind


def lock_sensors(session: Session, codes: Iterable[str], *, skip_locked: bool = False) -> dict[str, Sensor]:
    """Load sensors to change them, always before their alerts."""
    mine = sensors.c.code.in_(sorted(set(codes)))
    wanted = select(Sensor).where(mine).order_by(sensors.c.code).with_for_update(skip_locked=skip_locked)
    return {sensor.code: sensor for sensor in session.scalars(wanted)}


def lock_sensor(session: Session, code: str) -> Sensor:
    """Raises UnknownSensor."""
    if sensor := lock_sensors(session, [code]).get(code):
        return sensor
    raise UnknownSensor(f"There is no sensor {code}.")


def lock_open(session: Session, codes: Iterable[str]) -> Open:
    """The open alerts of these sensors."""
    mine = alerts.c.active, alerts.c.source.in_(sorted(set(codes)))
    wanted = select(Alert).where(*mine).order_by(alerts.c.source, alerts.c.kind).with_for_update()
    return {(alert.source, alert.kind): alert for alert in session.scalars(wanted)}


def lock_alert(session: Session, alert_id: UUID, expected: int | None) -> Alert:
    """Raises UnknownAlert and Stale."""
    alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
    if alert is None:
        raise UnknownAlert(f"There is no alert {alert_id}.")
    expect(alert.revision, expected)
    return alert
