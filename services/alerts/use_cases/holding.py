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


def lock_open(session: Session, codes: Iterable[str], *, skip_locked: bool = False) -> Open:
    """The open alerts of these sensors."""
    mine = alerts.c.active, alerts.c.source.in_(sorted(set(codes)))
    in_order = select(Alert).where(*mine).order_by(alerts.c.source, alerts.c.kind)
    wanted = in_order.with_for_update(skip_locked=skip_locked)
    return {(alert.source, alert.kind): alert for alert in session.scalars(wanted)}


def lock_free(session: Session, codes: Iterable[str]) -> tuple[dict[str, Sensor], Open]:
    """Of these sensors those that nobody else holds, nor any of their open alerts. Waits for nobody."""
    known = lock_sensors(session, codes, skip_locked=True)
    standing = lock_open(session, known, skip_locked=True)
    mine = alerts.c.active, alerts.c.source.in_(sorted(known))
    there = {(row.source, row.kind) for row in session.execute(select(alerts.c.source, alerts.c.kind).where(*mine))}
    busy = {source for source, _ in there - standing.keys()}
    return {code: sensor for code, sensor in known.items() if code not in busy}, standing


def lock_alert(session: Session, alert_id: UUID, expected: int | None) -> Alert:
    """Raises UnknownAlert and Stale."""
    alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
    if alert is None:
        raise UnknownAlert(f"There is no alert {alert_id}.")
    expect(alert.revision, expected)
    return alert
