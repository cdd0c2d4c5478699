"""The sums of a night as they were known by its end, beside those that word from later changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("lamp_night_sums", sa.Column("late", sa.Boolean, nullable=False, server_default=sa.false()))
