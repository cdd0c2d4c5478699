"""The units of the facility that a finding hangs on: their people see it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for role in ("owner", "authority", "maintainer"):
        op.add_column("findings", sa.Column(role, sa.Text))
