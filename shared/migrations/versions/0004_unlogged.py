"""What a crash may forget is written once: without its claims a batch is sent again, which the inbox bears."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE sendings SET UNLOGGED")
