"""What findings are looked for by: kind and place of their facility, words, and how their orders stand.

0009 fills in what is known of the findings that are there; what assets and workorders know of them comes with the next
event about them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("kind", "district", "street", "grid"):
        op.add_column("findings", sa.Column(name, sa.Text))
    op.add_column("findings", sa.Column("search", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "finding_orders",
        sa.Column("finding_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", Time, nullable=False),
        sa.Column("warn_at", Time),
        sa.Column("kept_light", sa.String(16)),
        sa.Column("supervised", sa.Boolean, nullable=False),
    )
