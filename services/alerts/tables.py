"""The tables of alerts, mapped onto the classes of the domain."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.orm import relationship

from services.alerts.domain.alerts import Action, Alert, Rule, Silence
from services.alerts.domain.places import Area
from services.alerts.domain.sensors import Sends, Sensor, Severity
from shared.db import Time, new_mapping

mapping = new_mapping()


def _choice(choices: type[Action | Sends | Severity]) -> Enum:
    return Enum(choices, native_enum=False, length=16, values_callable=lambda each: [str(one) for one in each])


sensors = Table(
    "sensors",
    mapping.metadata,
    Column("code", String(100), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("name", String(200), nullable=False),
    Column("district", String(100)),
    Column("thresholds", JSON, nullable=False),
    Column("margin", Float, nullable=False),
    Column("dwell_s", Integer, nullable=False),
    Column("expected_every_s", Integer),
    Column("last_at", Time),
    Column("last_value", Float),
    Column("dismissed", _choice(Severity)),  # of former versions, which may run beside this one; no longer read
    Column("revision", Integer, nullable=False),
    Column("sends", _choice(Sends)),
    Column("bounds", JSON(none_as_null=True)),
    Column("largest_change", JSON(none_as_null=True)),
    Column("sentinels", JSON(none_as_null=True)),
    Column("suspect_at", Time),
    Column("suspect_value", Float),
    Column("suspects", Integer),
    Column("watched_since", Time),
    Column("doubted_at", Time),
    Column("doubted_value", Float),
    Column("doubtful", Integer),
    Column("calm_since", Time),
    Column("district_found", Boolean),
)
SENSOR = [column for column in sensors.c if column.key != "dismissed"]

readings = Table(
    "readings",
    mapping.metadata,
    Column("sensor", String(100), ForeignKey("sensors.code"), primary_key=True),
    Column("at", Time, primary_key=True),
    Column("value", Float, nullable=False),
    Column("recorded_at", Time, nullable=False),
)

rules = Table(
    "rules",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("severity", _choice(Severity), nullable=False),
    Column("kind", String(32)),
    Column("district", String(100)),
    Column("order_category", String(64)),
    Column("priority", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)

alerts = Table(
    "alerts",
    mapping.metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", String(100), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("severity", _choice(Severity), nullable=False),
    Column("since", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("value", Float, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("district", String(100)),
    Column("active", Boolean, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    Column("below_since", Time),
    Column("acknowledged_at", Time),
    Column("acknowledged_by", String(128)),
    Column("acknowledged_severity", _choice(Severity)),
    Column("cleared_at", Time),
    Column("cleared_by", String(128)),
    Column("silenced_until", Time),
    Column("escalations", Integer, nullable=False),
    Column("order_category", String(64)),
    Column("revision", Integer, nullable=False),
    Column("asked_at", Time),
    Column("silenced_severity", _choice(Severity)),
    Column("silenced_by", String(128)),
    Column("silence_reason", Text),
)
# One open alert for a source and kind; the same index finds the open ones.
Index("uq_alerts_open", alerts.c.source, alerts.c.kind, unique=True,
      postgresql_where=alerts.c.active, sqlite_where=alerts.c.active)  # fmt: skip
Index("ix_alerts_since_id", alerts.c.since, alerts.c.id)

alert_log = Table(
    "alert_log",
    mapping.metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("alert_id", Uuid, ForeignKey("alerts.id"), nullable=False, index=True),
    Column("action", _choice(Action), nullable=False),
    Column("done_by", String(128), nullable=False),
    Column("severity", _choice(Severity), nullable=False),
    Column("value", Float, nullable=False),
    Column("note", Text),
    Column("until", Time),
    Column("happened_at", Time, nullable=False),
    Column("recorded_at", Time, nullable=False),
    Column("said_at", Time),  # what somebody said, where that could not be
)

silences = Table(
    "silences",
    mapping.metadata,
    Column("source", String(100), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("until", Time, nullable=False),
    Column("severity", _choice(Severity), nullable=False),
    Column("by", String(128), nullable=False),
    Column("reason", Text),
)

# The copy of the city's districts that assets draws.
areas = Table(
    "areas",
    mapping.metadata,
    Column("code", Text, primary_key=True),
    Column("outline", JSON(none_as_null=True)),
    Column("revision", Integer, nullable=False),
)

# Of the catalogue that assets publishes.
catalogue = Table(
    "catalogue",
    mapping.metadata,
    Column("name", String(100), primary_key=True),
    Column("categories", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
)


class Entry:
    """One row of an alert's log, to read."""


mapping.map_imperatively(Sensor, sensors, exclude_properties=["dismissed"])
mapping.map_imperatively(Silence, silences)
mapping.map_imperatively(Area, areas)
mapping.map_imperatively(Rule, rules)
mapping.map_imperatively(Entry, alert_log)
mapping.map_imperatively(Alert, alerts, properties={"log": relationship(Entry, viewonly=True, order_by=alert_log.c.id)})
