"""Findings seen again, those merged into another, and what a device said of a move where that could not be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time
from shared.migrating import create_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("findings", sa.Column("last_seen_at", Time))
    op.add_column("finding_moves", sa.Column("said_at", Time))
    merged = sa.text("merged_into IS NOT NULL")
    create_index("ix_findings_merged_into", "findings", ["merged_into"], postgresql_where=merged, sqlite_where=merged)
