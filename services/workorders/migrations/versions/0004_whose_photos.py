"""Who has a photo's bytes, who named it where, and which photos nothing names.

Photos that are there already count as named, and what names them as trusted: that was not kept before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.migrating import create_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "photo_holders",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("crew", sa.String(100), primary_key=True),
    )
    op.create_table(
        "finding_photos",
        sa.Column("finding_id", sa.Uuid, primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True, index=True),
    )
    op.add_column("order_photos", sa.Column("named_by", sa.String(100)))
    op.add_column("order_photos", sa.Column("named_crew", sa.String(100)))
    op.add_column("order_photos", sa.Column("reporter_mark", sa.String(32)))
    op.add_column("photos", sa.Column("named", sa.Boolean, nullable=False, server_default=sa.true()))
    unnamed = sa.column("named") == sa.false()
    create_index(
        "ix_photos_unnamed", "photos", ["stored_by", "stored_at"], postgresql_where=unnamed, sqlite_where=unnamed
    )
