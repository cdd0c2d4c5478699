"""What the upper level hands down holds what citizens wrote to it, unless the city has said otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    sources = sa.table("finding_sources", sa.column("source"), sa.column("written_by_staff"), sa.column("revision"))
    untouched = (sources.c.source == "upper_level", sources.c.revision == 1)
    op.execute(sources.update().where(*untouched).values(written_by_staff=False))
