"""What one can ask of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import Alert, Rule, UnknownAlert, UnknownRule
from services.alerts.domain.sensors import Sensor, UnknownSensor
from services.alerts.tables import SENSOR, alerts, readings, rules, sensors
from shared import clock
from shared.paging import Page, page


def find_sensors(session: Session, *, limit: int, cursor: str | None, **filters: Any) -> Page:
    """Sensors by code."""
    wanted = _where(select(*SENSOR), sensors.c, filters)
    by = [sensors.c.code]
    return page(session, wanted, by, limit=limit, cursor=cursor, make=lambda row: Sensor(**row._mapping))


def get_sensor(session: Session, code: str) -> Sensor:
    """Raises UnknownSensor."""
    if (sensor := session.get(Sensor, code)) is None:
        raise UnknownSensor(f"There is no sensor {code}.")
    return sensor


def find_readings(session: Session, code: str, *, limit: int, cursor: str | None) -> Page:
    """A sensor's readings in its unit, the newest first. Raises UnknownSensor."""
    get_sensor(session, code)
    wanted = select(readings).where(readings.c.sensor == code)
    return page(session, wanted, [readings.c.at], limit=limit, cursor=cursor, descending=True)


def find_rules(session: Session, *, limit: int, cursor: str | None) -> Page:
    """Rules in the order in which they are tried."""
    by = [rules.c.priority, rules.c.id]
    return page(session, select(rules), by, limit=limit, cursor=cursor, make=lambda row: Rule(**row._mapping))


def get_rule(session: Session, rule_id: UUID) -> Rule:
    """Raises UnknownRule."""
    if (rule := session.get(Rule, rule_id)) is None:
        raise UnknownRule(f"There is no rule {rule_id}.")
    return rule


def find_alerts(
    session: Session, *, limit: int, cursor: str | None, silenced: bool | None = None, **filters: Any
) -> Page:
    """Alerts, the newest first; filters active, acknowledged, silenced, district, severity, kind, source."""
    wanted = _where(select(alerts), alerts.c, filters)
    if silenced is not None:
        until, now = alerts.c.silenced_until, clock.now()
        wanted = wanted.where(and_(until.is_not(None), until > now) if silenced else or_(until.is_(None), until <= now))
    by = [alerts.c.since, alerts.c.id]
    return page(session, wanted, by, limit=limit, cursor=cursor, descending=True, make=_alert)


def get_alert(session: Session, alert_id: UUID) -> Alert:
    """Raises UnknownAlert."""
    if (alert := session.get(Alert, alert_id)) is None:
        raise UnknownAlert(f"There is no alert {alert_id}.")
    return alert


def active_alerts(session: Session) -> list[Alert]:
    """All that stands, oldest first."""
    wanted = select(alerts).where(alerts.c.active).order_by(alerts.c.since, alerts.c.id)
    return [_alert(row) for row in session.execute(wanted)]


def alerts_by_id(session: Session, alert_ids: Iterable[UUID]) -> dict[UUID, Alert]:
    rows = session.execute(select(alerts).where(alerts.c.id.in_(list(alert_ids))))
    return {row.id: _alert(row) for row in rows}


def _alert(row: Any) -> Alert:
    return Alert(**row._mapping)


def _where(wanted: Select[Any], columns: Any, filters: Mapping[str, Any]) -> Select[Any]:
    return wanted.where(*(columns[name] == value for name, value in filters.items() if value is not None))
