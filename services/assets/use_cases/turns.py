"""Jobs of which two at once would undo each other: replicas take turns, and what one left the next one does."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import running
from services.assets.tables import catalogue_editions


class Job(IntEnum):
    """PostgreSQL's advisory locks."""

    NIGHTS = 1_128_808_783
    PIPES = 1_128_808_784


def has_turn(session: Session, job: Job) -> bool:
    """Whether this transaction may do the job: no other one is at it, and we run on the newest catalogue.

    What the one before did is committed, so that every later statement sees it. SQLite has one writer anyway.
    """
    mine = text(f"SELECT pg_try_advisory_xact_lock({int(job)})")
    if session.get_bind().dialect.name == "postgresql" and not session.scalar(mine):
        return False
    return session.scalar(select(func.max(catalogue_editions.c.revision))) in (None, running.revision)
