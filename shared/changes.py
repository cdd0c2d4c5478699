"""A log of what changed, in the order of commits, that cursors and streams read: a reader never skips a change.

A serial number is given out before the commit, so that a reader that saw 8 could miss 7, which committed late. Here a
change gets its ``position`` after it was committed, from one writer at a time (``number``, run by every relay). The
log names the thing that changed; its state is read from its own table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, String, Table, func, select, text
from sqlalchemy.orm import Session

from shared import clock
from shared.db import Rows, Time, at_commit, kernel

changes = Table(
    "changes",
    kernel,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("position", BigInteger, unique=True),
    Column("kind", String(40), nullable=False),
    Column("key", String(100), nullable=False),
    Column("at", Time, nullable=False),
)
Index(
    "ix_changes_unnumbered",
    changes.c.id,
    postgresql_where=changes.c.position.is_(None),
    sqlite_where=changes.c.position.is_(None),
)

# Rows of one batch keep the order of their ids: a transaction that began after another's commit has higher ones.
_NUMBER = text("""
    UPDATE changes SET position = numbered.position FROM (
        SELECT id, row_number() OVER (ORDER BY id) + (SELECT coalesce(max(position), 0) FROM changes) AS position
        FROM changes WHERE position IS NULL
    ) AS numbered WHERE changes.id = numbered.id
""")


@dataclass(frozen=True)
class Change:
    position: int
    kind: str
    key: str
    at: datetime


def add(session: Session, *, kind: str, key: str) -> None:
    """Log a change of the thing ``key`` when the session commits."""
    session.info.setdefault("changes", []).append({"kind": kind, "key": key})


@at_commit(changes)
def _rows(session: Session) -> Rows:
    rows, now = session.info.pop("changes", ()), clock.now()
    if rows:
        session.info["changed"] = True  # the relay looks for it after the commit
    return [{**row, "at": now} for row in rows]


def unnumbered(session: Session) -> bool:
    """Whether a committed change still waits for its position."""
    return session.scalar(select(changes.c.id).where(changes.c.position.is_(None)).limit(1)) is not None


def number(session: Session) -> bool:
    """Give committed changes their positions; false, when somebody else is at it: one writer at a time."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '2s'"))  # others wait for us
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(1128808782)")):
            return False
    session.execute(_NUMBER)
    return True


def since(session: Session, position: int, *, kinds: Sequence[str], limit: int = 100) -> list[Change]:
    """The changes after ``position``, oldest first."""
    rows = session.execute(
        select(*changes.c["position", "kind", "key", "at"])
        .where(changes.c.position > position, changes.c.kind.in_(kinds))
        .order_by(changes.c.position)
        .limit(limit)
    )
    return [Change(*row) for row in rows]


def latest(session: Session) -> int:
    """The position of the newest change; 0 when there is none."""
    return session.scalar(select(func.max(changes.c.position))) or 0
