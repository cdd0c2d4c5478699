"""The tables of assets as first released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0001"
down_revision = None

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _areas()
    _catalogue()
    _facilities()
    _defects()
    _cells()
    _history()
    _looks()


def _areas() -> None:
    op.create_table(
        "areas",
        sa.Column("level", sa.String(20), primary_key=True),
        sa.Column("code", sa.String(60), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("district", sa.String(60)),
        sa.Column("geometry", sa.JSON, nullable=False),
        sa.Column("west", sa.Float, nullable=False),
        sa.Column("south", sa.Float, nullable=False),
        sa.Column("east", sa.Float, nullable=False),
        sa.Column("north", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _catalogue() -> None:
    op.create_table(
        "catalogue_editions",
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("catalogue", sa.JSON, nullable=False),
        sa.Column("published_at", Time, nullable=False),
    )


def _facilities() -> None:
    op.create_table(
        "facilities",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("code", sa.String(100), nullable=False, unique=True),
        sa.Column("kind", sa.String(40), nullable=False, index=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("geometry", sa.JSON, nullable=False),
        sa.Column("longitude", sa.Float, nullable=False),
        sa.Column("latitude", sa.Float, nullable=False),
        sa.Column("west", sa.Float, nullable=False),
        sa.Column("south", sa.Float, nullable=False),
        sa.Column("east", sa.Float, nullable=False),
        sa.Column("north", sa.Float, nullable=False),
        sa.Column("unit", sa.String(10), nullable=False),
        sa.Column("measure_milli", sa.BigInteger, nullable=False),
        sa.Column("measure_estimated", sa.Boolean, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("district", sa.String(60), index=True),
        sa.Column("street", sa.String(200)),
        sa.Column("grid", sa.String(60), index=True),
        sa.Column("owner", sa.String(100)),
        sa.Column("authority", sa.String(100)),
        sa.Column("maintainer", sa.String(100)),
        sa.Column("condition", sa.String(20), nullable=False, index=True),
        sa.Column("defective_milli", sa.BigInteger, nullable=False),
        sa.Column("out_of_service_reason", sa.String(500)),
        sa.Column("last_look_at", Time, index=True),
        sa.Column("last_look_source", sa.String(100)),
        sa.Column("last_look_lit", sa.Boolean),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("registered_at", Time, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
    )
    op.create_index("ix_facilities_west_south", "facilities", ["west", "south"])


def _defects() -> None:
    op.create_table(
        "defects",
        sa.Column("finding_id", sa.Uuid, primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id")),
        sa.Column("linked_by", sa.String(10), nullable=False),
        sa.Column("category", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("district", sa.String(60)),
        sa.Column("grid", sa.String(60)),
        sa.Column("quantity", sa.Float),
        sa.Column("taken_milli", sa.BigInteger, nullable=False),
        sa.Column("breaks_function", sa.Boolean, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("restored_reason", sa.String(20)),
        sa.Column("restored_at", Time),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("photos", sa.JSON, nullable=False),
        sa.Column("reported_at", Time, nullable=False),
        sa.Column("confirmed_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
        sa.Column("order_revision", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    is_open = sa.text("open = true")
    op.create_index("ix_defects_open", "defects", ["facility_id"], postgresql_where=is_open, sqlite_where=is_open)


def _cells() -> None:
    op.create_table(
        "facility_cells",
        sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "facility_id",
            Serial,
            sa.ForeignKey("facilities.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )


def _history() -> None:
    op.create_table(
        "facility_history",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), nullable=False, index=True),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("happened_at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )


def _looks() -> None:
    op.create_table(
        "looks",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("facility_id", Serial, sa.ForeignKey("facilities.id"), primary_key=True, index=True),
        sa.Column("looked_at", Time, nullable=False),
        sa.Column("lit", sa.Boolean, nullable=False),
        sa.Column("within_lighting_hours", sa.Boolean, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
    )
