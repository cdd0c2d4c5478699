"""The words of an order, folded, so that a list finds them; and lists by due time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.workorders.domain.orders import words_of
from shared.migrating import create_index, rewrite

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("search", sa.Text, nullable=False, server_default=""))
    texts = ("summary", "note", "street", "facility_code")
    rewrite("work_orders", "search", texts, lambda row: words_of(row.summary, row.note, row.street, row.facility_code))
    create_index("ix_work_orders_due_at_id", "work_orders", ["due_at", "id"])
