"""What a city of a million facilities taught: lamp-nights are moved to be reckoned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_column("lamp_nights_due", "taken")
    op.create_table(
        "lamp_nights_work",
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("facility_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
