"""When a problem was seen, and when the work on it was done: what is heard later of that time is about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("defects", sa.Column("found_at", Time))
    op.add_column("defects", sa.Column("disposed_at", Time))
