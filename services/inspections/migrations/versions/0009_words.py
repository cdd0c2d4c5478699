"""The words of findings, the districts that they lie in, and lists by state.

Apart from the columns: broken off, it begins anew, which columns that are there already would not let it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.inspections.domain.findings import words_of
from services.inspections.domain.places import Area, City
from shared.migrating import create_index, rewrite

revision = "0009"
down_revision = "0008"

LEAST = "00000000-0000-0000-0000-000000000000"
DRAWN = sa.text("SELECT code, outline, revision FROM areas ORDER BY code").columns(
    sa.column("code", sa.Text), sa.column("outline", sa.JSON), sa.column("revision", sa.Integer)
)
TEXTS = ("description", "summary", "facility_code", "linked_code")


def upgrade() -> None:
    city = City(None, [Area(**row._mapping) for row in op.get_bind().execute(DRAWN)])
    rewrite("findings", "search", TEXTS, lambda row: words_of(*(getattr(row, name) for name in TEXTS)), LEAST)
    rewrite("findings", "district", ("longitude", "latitude"), lambda row: _district(city, row), LEAST)
    create_index("ix_findings_state_reported_at_id", "findings", ["state", "reported_at", "id"])


def _district(city: City, row: Any) -> str | None:
    return row.district if row.longitude is None else city.district_of(row.longitude, row.latitude)
