"""What was known of a lamp's night by noon stays beside what is learned later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("known_s", "lit_s", "dark_s", "day_burning_s"):
        op.add_column("lamp_nights", sa.Column(f"{name}_by_noon", sa.BigInteger))
