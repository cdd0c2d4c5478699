"""When a problem was seen, and when the work on it was done: what is heard later of that time is about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time
from shared.migrating import create_index

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("defects", sa.Column("found_at", Time))
    op.add_column("defects", sa.Column("disposed_at", Time))
    repaired = sa.text("disposed_at IS NOT NULL")
    create_index("ix_defects_repaired", "defects", ["facility_id"], postgresql_where=repaired, sqlite_where=repaired)
