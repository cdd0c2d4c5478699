"""Sessions that people see and end, keys of devices, and refresh tokens that answer again. All of it is added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("member_id", sa.Uuid, sa.ForeignKey("members.id"), nullable=False, index=True),
        sa.Column("started_at", Time, nullable=False),
        sa.Column("last_used_at", Time, nullable=False, index=True),
        sa.Column("address", sa.String(100), nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("device_hash", sa.String(64)),
        sa.Column("ended_at", Time),
    )
    op.create_table(
        "device_keys",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("member_id", sa.Uuid, sa.ForeignKey("members.id"), nullable=False, index=True),
        sa.Column("made_at", Time, nullable=False),
        sa.Column("ends_at", Time, index=True),
        sa.Column("last_used_at", Time),
    )
    op.add_column("members", sa.Column("secret_ends_at", Time))
    op.add_column("refresh_tokens", sa.Column("again_key", sa.String(64)))
    op.add_column("refresh_tokens", sa.Column("again_salt", sa.String(64)))
