"""What a device said where its time could not be, and when a disposal was known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("order_moves", sa.Column("said_at", Time))
    op.add_column("work_orders", sa.Column("disposal_known_at", Time))
