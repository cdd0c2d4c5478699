"""What somebody said of when they acted on an alert, where that could not be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("alert_log", sa.Column("said_at", Time))
