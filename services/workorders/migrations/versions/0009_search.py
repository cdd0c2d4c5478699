"""A place for the words of an order, so that a list finds them; 0011 fills it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("search", sa.Text, nullable=False, server_default=""))
