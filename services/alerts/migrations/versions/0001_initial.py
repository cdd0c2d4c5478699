"""Sensors, readings, rules, alerts and their log."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0001"
down_revision = None

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Water where a gauge warns of it has to be pumped away: any such alert opens an emergency order. A city edits this.
RULES = [
    {
        "id": UUID("5f0c8a57-2f64-4d1c-9f0e-6d1b2c7a9e01"),
        "name": "Standing water at a gauge",
        "severity": "minor",
        "kind": "water_level",
        "district": None,
        "order_category": "standing_water",
        "priority": 100,
        "enabled": True,
        "revision": 1,
    }
]


def upgrade() -> None:
    _sensors()
    _rules()
    _alerts()


def _sensors() -> None:
    op.create_table(
        "sensors",
        sa.Column("code", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("longitude", sa.Float, nullable=False),
        sa.Column("latitude", sa.Float, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("district", sa.String(100)),
        sa.Column("thresholds", sa.JSON, nullable=False),
        sa.Column("margin", sa.Float, nullable=False),
        sa.Column("dwell_s", sa.Integer, nullable=False),
        sa.Column("expected_every_s", sa.Integer),
        sa.Column("last_at", Time),
        sa.Column("last_value", sa.Float),
        sa.Column("dismissed", sa.String(16)),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "readings",
        sa.Column("sensor", sa.String(100), sa.ForeignKey("sensors.code"), primary_key=True),
        sa.Column("at", Time, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _rules() -> None:
    rules = op.create_table(
        "rules",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32)),
        sa.Column("district", sa.String(100)),
        sa.Column("order_category", sa.String(64)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.bulk_insert(rules, RULES)


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("since", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("longitude", sa.Float, nullable=False),
        sa.Column("latitude", sa.Float, nullable=False),
        sa.Column("district", sa.String(100)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("acknowledged", sa.Boolean, nullable=False),
        sa.Column("below_since", Time),
        sa.Column("acknowledged_at", Time),
        sa.Column("acknowledged_by", sa.String(128)),
        sa.Column("acknowledged_severity", sa.String(16)),
        sa.Column("cleared_at", Time),
        sa.Column("cleared_by", sa.String(128)),
        sa.Column("silenced_until", Time),
        sa.Column("escalations", sa.Integer, nullable=False),
        sa.Column("order_category", sa.String(64)),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["source", "kind"],
        unique=True,
        postgresql_where=sa.text("active"),
        sqlite_where=sa.text("active = 1"),
    )
    op.create_index("ix_alerts_since_id", "alerts", ["since", "id"])
    op.create_table(
        "alert_log",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("alert_id", sa.Uuid, sa.ForeignKey("alerts.id"), nullable=False, index=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("done_by", sa.String(128), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("until", Time),
        sa.Column("happened_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )
