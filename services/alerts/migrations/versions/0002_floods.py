"""Which readings are believed, silent sensors, silences of a source, and the districts that gauges stand in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sensors", sa.Column("sends", sa.String(16)))
    op.add_column("sensors", sa.Column("bounds", sa.JSON))
    op.add_column("sensors", sa.Column("largest_change", sa.JSON))
    op.add_column("sensors", sa.Column("sentinels", sa.JSON))
    op.add_column("sensors", sa.Column("suspect_at", Time))
    op.add_column("sensors", sa.Column("suspect_value", sa.Float))
    op.add_column("sensors", sa.Column("suspects", sa.Integer))
    op.add_column("sensors", sa.Column("watched_since", Time))
    op.add_column("sensors", sa.Column("district_found", sa.Boolean))
    op.add_column("alerts", sa.Column("asked_at", Time))
    op.add_column("alerts", sa.Column("silenced_severity", sa.String(16)))
    op.add_column("alerts", sa.Column("silenced_by", sa.String(128)))
    op.add_column("alerts", sa.Column("silence_reason", sa.Text))
    op.create_table(
        "silences",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("until", Time, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "areas",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("outline", sa.JSON),
        sa.Column("revision", sa.Integer, nullable=False),
    )
