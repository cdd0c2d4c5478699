"""The earliest day on which a facility stood, found without a look at every life."""

from __future__ import annotations

import sqlalchemy as sa

from shared.migrating import create_index

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    late = sa.text("what = 'registered' AND happened_at != recorded_at")
    create_index(
        "ix_facility_history_registered_late",
        "facility_history",
        ["happened_at"],
        postgresql_where=late,
        sqlite_where=late,
    )
