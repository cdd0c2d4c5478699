"""The service's tables: orders and their moves, photos, the catalogue copy, crews and rules, members and sign-ins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0001"
down_revision = None


def upgrade() -> None:
    _orders()
    _photos()
    _dispatching()
    _accounts()


def _orders() -> None:
    op.create_table(
        "work_orders",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("group", sa.Text),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("quantity", sa.Float),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("finding_id", sa.Uuid, unique=True),
        sa.Column("alert_id", sa.Uuid, unique=True),
        sa.Column("facility_code", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("district", sa.Text),
        sa.Column("street", sa.Text),
        sa.Column("grid", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("authority", sa.Text),
        sa.Column("maintainer", sa.Text),
        sa.Column("registered_at", Time, nullable=False),
        sa.Column("limit_amount", sa.Float, nullable=False),
        sa.Column("limit_clock", sa.String(20), nullable=False),
        sa.Column("limit_source", sa.Text, nullable=False),
        sa.Column("warn_at", Time, nullable=False),
        sa.Column("due_at", Time, nullable=False),
        sa.Column("crew", sa.String(100)),
        sa.Column("rule", sa.String(100), nullable=False),
        sa.Column("supervised", sa.Boolean, nullable=False),
        sa.Column("rework_count", sa.Integer, nullable=False),
        sa.Column("quantity_done", sa.Float),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("disposed_at", Time),
        sa.Column("closed_at", Time),
        sa.Column("void_reason", sa.String(20)),
    )
    op.create_index("ix_work_orders_crew_state", "work_orders", ["crew", "state"])
    op.create_index("ix_work_orders_state_due_at", "work_orders", ["state", "due_at"])
    op.create_table(
        "order_moves",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("order_id", sa.Integer, sa.ForeignKey("work_orders.id"), nullable=False, index=True),
        sa.Column("move", sa.String(20), nullable=False),
        sa.Column("from_state", sa.String(20)),
        sa.Column("to_state", sa.String(20), nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("recorded_at", Time, nullable=False),
        sa.Column("crew", sa.String(100)),
        sa.Column("reason", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("answered", sa.Boolean),
        sa.Column("satisfied", sa.Boolean),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
    )


def _photos() -> None:
    op.create_table(
        "photos",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("stored_by", sa.String(100), nullable=False),
        sa.Column("stored_at", Time, nullable=False),
    )
    op.create_table(
        "order_photos",
        sa.Column("order_id", sa.Integer, sa.ForeignKey("work_orders.id"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True, index=True),
        sa.Column("stage", sa.String(20), nullable=False),
    )


def _dispatching() -> None:
    op.create_table(
        "catalogues",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "crews",
        sa.Column("code", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("districts", sa.JSON, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "dispatch_rules",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("category", sa.String(100)),
        sa.Column("group", sa.String(100)),
        sa.Column("kind", sa.String(100)),
        sa.Column("district", sa.String(100)),
        sa.Column("severity", sa.String(20)),
        sa.Column("crew", sa.String(100), sa.ForeignKey("crews.code")),
        sa.Column("revision", sa.Integer, nullable=False),
    )


def _accounts() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("crew", sa.String(100), sa.ForeignKey("crews.code")),
        sa.Column("unit", sa.String(100)),
        sa.Column("secret_hash", sa.String(200), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("family", sa.Uuid, nullable=False, index=True),
        sa.Column("member_id", sa.Uuid, sa.ForeignKey("members.id"), nullable=False, index=True),
        sa.Column("issued_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False, index=True),
        sa.Column("used_at", Time),
        sa.Column("revoked_at", Time),
    )
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", Time, nullable=False, index=True),
        sa.Column("free_at", Time, nullable=False),
    )
