"""Gauges, what they send and what people do to their alerts: for the tests of alerts, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from services.alerts import figures, queries
from services.alerts.domain.alerts import Alert
from services.alerts.tables import alerts
from services.alerts.use_cases import sensors, watching
from services.alerts.use_cases.readings import Taken, take_readings
from shared import clock, tallies
from shared.db import Database
from shared.outbox import outbox

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEVELS = [{"severity": "minor", "at": 5.0}, {"severity": "severe", "at": 25.0}]


def register(database: Database, code: str, **more: Any) -> None:
    known: dict[str, Any] = {
        "code": code, "kind": "water_level", "unit": "cm", "location": {"lon": 24.94, "lat": 60.17},
        "district": "south", "thresholds": LEVELS, "margin": 2.0, "dwell_s": 300,
    }  # fmt: skip
    with database.begin() as session:
        sensors.register_sensor(session, **known | more)


def reading(value: Any, minute: float = 0, sensor: str = "g") -> dict[str, Any]:
    return {"sensor": sensor, "at": NOON + timedelta(minutes=minute), "value": value}


def send(database: Database, *batch: dict[str, Any]) -> Taken:
    with clock.frozen(max([NOON, *(each["at"] for each in batch)])), database.begin() as session:
        return take_readings(session, batch=batch)


def watch(database: Database, minute: float = 0, heard_s: float = 1e6) -> list[str]:
    """One turn of the job that looks after sensors."""
    with clock.frozen(NOON + timedelta(minutes=minute)):
        with database.read() as session:
            due = watching.find_due(session, heard_s)
        with database.begin() as session:
            watching.settle(session, due, heard_s)
    return due


def all_alerts(database: Database) -> list[Alert]:
    with database.read() as session:
        return list(session.scalars(select(Alert).order_by(alerts.c.since)))


def the_alert(database: Database) -> Alert:
    (alert,) = all_alerts(database)
    return alert


def told(database: Database) -> list[str]:
    with database.read() as session:
        return [each.split(".")[1] for each in session.scalars(select(outbox.c.event_type).order_by(outbox.c.id))]


def logged(database: Database) -> list[str]:
    with database.read() as session:
        alert = queries.get_alert(session, the_alert(database).id)
        return [str(entry.action) for entry in alert.log]  # type: ignore[attr-defined]


def shown(database: Database, minute: float = 0) -> dict[tuple[Any, ...], float]:
    """The samples of /metrics: by name and labels."""
    with clock.frozen(NOON + timedelta(minutes=minute)), database.read() as session:
        return {
            (each.name, *sorted(each.labels.items())): each.value
            for family in figures.collect(session)
            for each in family.samples
        }


def assert_recount_agrees(database: Database) -> None:
    with database.read() as session:
        assert {name: tallies.read(session, name) for name in figures.recount(session)} == figures.recount(session)


def change(database: Database, code: str = "g", minute: float = 0, **changed: Any) -> None:
    with clock.frozen(NOON + timedelta(minutes=minute)), database.begin() as session:
        sensors.change_sensor(session, code=code, **changed)


def act(database: Database, what: Any, minute: float = 0, alert: Alert | None = None, **more: Any) -> Alert:
    """Let somebody in the control room do something to the alert that stands, or to this one."""
    at = NOON + timedelta(minutes=minute)
    with clock.frozen(at), database.begin() as session:
        done: Alert = what(session, alert_id=(alert or standing(database)[0]).id, by="controller-1", **more)
        return done


def standing(database: Database, kind: str | None = None) -> list[Alert]:
    return [each for each in all_alerts(database) if each.active and kind in (None, each.kind)]
