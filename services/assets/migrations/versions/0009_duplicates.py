"""Findings for which another one's defect stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("defects", sa.Column("duplicate_of", sa.Uuid))
