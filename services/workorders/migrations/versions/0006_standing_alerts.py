"""Whether the alert of an order stands. Of orders that are there nobody knows: they say nothing of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.migrating import create_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("alert_active", sa.Boolean))
    op.add_column("work_orders", sa.Column("alert_ended", sa.Integer))
    create_index(
        "ix_work_orders_alert_active",
        "work_orders",
        ["state"],
        postgresql_where=sa.text("alert_active"),
        sqlite_where=sa.text("alert_active = 1"),
    )
