"""How lighting schedules were until they were changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "past_lighting_schedules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("known_to", Time, nullable=False),
        sa.Column("state", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_past_lighting_schedules"),
    )
    op.create_index("ix_past_lighting_schedules_known_to", "past_lighting_schedules", ["known_to"])
