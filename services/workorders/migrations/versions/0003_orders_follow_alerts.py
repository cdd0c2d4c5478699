"""The revision of its alert that an order has followed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("alert_revision", sa.Integer))
