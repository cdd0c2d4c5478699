"""Refused readings that may be water."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("sensors", sa.Column("doubted_at", Time))
    op.add_column("sensors", sa.Column("doubted_value", sa.Float))
    op.add_column("sensors", sa.Column("doubtful", sa.Integer))
    op.add_column("sensors", sa.Column("calm_since", Time))
