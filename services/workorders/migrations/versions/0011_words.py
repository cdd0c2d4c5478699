"""The words of an order, folded; and lists by due time.

Apart from the column: broken off, it begins anew, which a column that is there already would not let it.
"""

from __future__ import annotations

from services.workorders.domain.orders import words_of
from shared.migrating import create_index, rewrite

revision = "0011"
down_revision = "0010"

TEXTS = ("summary", "note", "street", "facility_code")


def upgrade() -> None:
    rewrite("work_orders", "search", TEXTS, lambda row: words_of(*(getattr(row, name) for name in TEXTS)))
    create_index("ix_work_orders_due_at_id", "work_orders", ["due_at", "id"])
