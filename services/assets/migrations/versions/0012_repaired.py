"""An index of what is repaired. Apart from its column: broken off, it begins anew."""

from __future__ import annotations

import sqlalchemy as sa

from shared.migrating import create_index

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    repaired = sa.text("disposed_at IS NOT NULL")
    create_index("ix_defects_repaired", "defects", ["facility_id"], postgresql_where=repaired, sqlite_where=repaired)
