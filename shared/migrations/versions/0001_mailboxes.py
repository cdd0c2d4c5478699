"""The tables that every service has: outbox, inbox, retries, changes, tallies, requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db import Time

revision = "0001"
down_revision = None

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _outbox()
    _inbox()
    _changes()
    _tallies()
    _requests()


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("request_id", sa.String(100)),
        sa.Column("recorded_at", Time, nullable=False),
        sa.Column("published_at", Time),
    )
    waiting = sa.text("published_at IS NULL")
    op.create_index("ix_outbox_waiting", "outbox", ["id"], postgresql_where=waiting, sqlite_where=waiting)


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("queue", sa.String(100), primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("handled_at", Time, nullable=False, index=True),
    )
    op.create_table(
        "retries",
        sa.Column("queue", sa.String(100), primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("request_id", sa.String(100)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("parked_at", Time, nullable=False),
        sa.Column("next_at", Time, index=True),
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("position", sa.BigInteger, unique=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("at", Time, nullable=False),
    )
    unnumbered = sa.text("position IS NULL")
    op.create_index("ix_changes_unnumbered", "changes", ["id"], postgresql_where=unnumbered, sqlite_where=unnumbered)


def _tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("id", Serial, sa.Identity(), primary_key=True),
        sa.Column("figure", sa.String(60), nullable=False, index=True),
        sa.Column("labels", sa.String(400), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", Time, nullable=False, index=True),
    )
