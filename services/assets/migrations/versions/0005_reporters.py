"""What tells an inspector's own findings from others, in a facility's file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("defects", sa.Column("reporter_mark", sa.String(32)))
