"""Who sends which events: no transaction is open while they are on their way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sendings",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("first_id", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sendings"),
    )
