"""Assets says which lamps of a lighting check should have burnt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("light_checks", sa.Column("lamps_planned", sa.Integer))
    op.add_column("light_checks", sa.Column("awaited", sa.Boolean))
    op.add_column("light_check_lamps", sa.Column("verdict", sa.String(32)))
    op.add_column("light_check_lamps", sa.Column("reason", sa.Text))
