"""When the problem of an order was last seen again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("seen_at", Time))
