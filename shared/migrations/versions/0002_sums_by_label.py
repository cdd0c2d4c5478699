"""Sums are found by how their first label begins: a map tile reads its own and not a city's."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("ix_tallies_figure", "tallies")
    op.create_index(
        "ix_tallies_figure_labels", "tallies", ["figure", "labels"], postgresql_ops={"labels": "varchar_pattern_ops"}
    )
