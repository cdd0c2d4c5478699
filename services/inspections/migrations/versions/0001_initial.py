"""Findings and their moves, sources, the catalogue's copy, lighting checks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0001"
down_revision = None

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Whether a finding is confirmed on arrival, and whether its description was written by staff.
SOURCES = {
    "patrol": (True, True),
    "citizen": (False, False),
    "hotline": (False, False),  # 12345
    "police": (False, False),  # 110
    "sensor": (False, True),
    "video_ai": (False, True),
    "lamp_controller": (False, True),
    "upper_level": (False, True),
    "self_check": (False, True),
}


def upgrade() -> None:
    _findings()
    _sources()
    _light_checks()


def _findings() -> None:
    op.create_table(
        "findings",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("category", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("reporter", sa.String(128), nullable=False),
        sa.Column("found_at", Time, nullable=False),
        sa.Column("reported_at", Time, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("facility_code", sa.String(200), index=True),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("quantity", sa.Float),
        sa.Column("photos", sa.JSON, nullable=False),
        sa.Column("confirmed_at", Time),
        sa.Column("ended_at", Time),
        sa.Column("reason", sa.Text),
        sa.Column("merged_into", sa.Uuid),
        sa.Column("linked_by", sa.String(16)),
        sa.Column("linked_code", sa.String(200), index=True),
        sa.Column("link_revision", sa.Integer, nullable=False),
        sa.Column("order_number", sa.String(64)),
        sa.Column("order_revision", sa.Integer, nullable=False),
        sa.Column("slot", sa.String(300)),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    taken = sa.text("slot IS NOT NULL")
    op.create_index("uq_findings_slot", "findings", ["slot"], unique=True, postgresql_where=taken, sqlite_where=taken)
    op.create_index("ix_findings_reported_at_id", "findings", ["reported_at", "id"])
    op.create_table(
        "finding_moves",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("finding_id", sa.Uuid, sa.ForeignKey("findings.id"), nullable=False, index=True),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("moved_by", sa.String(128), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("happened_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _sources() -> None:
    sources = op.create_table(
        "finding_sources",
        sa.Column("source", sa.String(32), primary_key=True),
        sa.Column("confirm_on_arrival", sa.Boolean, nullable=False),
        sa.Column("written_by_staff", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    rows = [
        {"source": source, "confirm_on_arrival": trusted, "written_by_staff": staff, "revision": 1}
        for source, (trusted, staff) in SOURCES.items()
    ]
    op.bulk_insert(sources, rows)
    op.create_table(
        "catalogue_copies",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("catalogue", sa.JSON, nullable=False),
    )


def _light_checks() -> None:
    op.create_table(
        "light_checks",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("inspector", sa.String(128), nullable=False),
        sa.Column("checked_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
        sa.Column("within_lighting_hours", sa.Boolean, nullable=False),
        sa.Column("lamps_checked", sa.Integer, nullable=False),
        sa.Column("lamps_lit", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("ix_light_checks_recorded_at_id", "light_checks", ["recorded_at", "id"])
    op.create_table(
        "light_check_lamps",
        sa.Column("check_id", sa.Uuid, sa.ForeignKey("light_checks.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("facility_code", sa.String(200), nullable=False),
        sa.Column("lit", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("finding_id", sa.Uuid),
    )
