"""Where the city lies, and whether a finding's place does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "areas",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("outline", sa.JSON),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_areas"),
    )
    op.add_column("findings", sa.Column("place_check", sa.String(16)))
