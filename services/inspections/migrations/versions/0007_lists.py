"""What findings are looked for by: kind and place of their facility, words, and how their orders stand.

Findings that are there get the district that they lie in and their words; what assets and workorders know of them comes
with the next event about them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.inspections.domain.findings import words_of
from services.inspections.domain.places import Area, City
from shared.db import Time
from shared.migrating import create_index, rewrite

revision = "0007"
down_revision = "0006"

LEAST = "00000000-0000-0000-0000-000000000000"
DRAWN = sa.text("SELECT code, outline, revision FROM areas ORDER BY code").columns(
    sa.column("code", sa.Text), sa.column("outline", sa.JSON), sa.column("revision", sa.Integer)
)
TEXTS = ("description", "summary", "facility_code", "linked_code")


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
    city = City(None, [Area(**row._mapping) for row in op.get_bind().execute(DRAWN)])
    rewrite("findings", "search", TEXTS, lambda row: words_of(*(getattr(row, name) for name in TEXTS)), LEAST)
    rewrite("findings", "district", ("longitude", "latitude"), lambda row: _district(city, row), LEAST)
    create_index("ix_findings_state_reported_at_id", "findings", ["state", "reported_at", "id"])


def _district(city: City, row: Any) -> str | None:
    return row.district if row.longitude is None else city.district_of(row.longitude, row.latitude)
