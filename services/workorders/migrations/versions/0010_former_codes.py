"""Codes that facilities gave up, so that what is known by them is found by the new ones too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "former_codes",
        sa.Column("former", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, nullable=False, index=True),
        sa.Column("revision", sa.Integer, nullable=False),
    )
