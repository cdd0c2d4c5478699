"""Events leave with the transaction that caused them, or not at all.

``record`` puts an event beside the change; the relay (relay.py) publishes it once the transaction has committed.
A row is *done* when ``published_at`` is set: with RabbitMQ, once the broker confirmed it; with ``memory://``, which
forgets, once the inbox of every subscriber has it.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, String, Table, Text, Uuid
from sqlalchemy.orm import Session

from shared import clock, logs
from shared.db import Rows, Time, at_commit, kernel
from shared.envelope import seal
from shared.events import Event

outbox = Table(
    "outbox",
    kernel,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", String(100), nullable=False),
    Column("body", Text, nullable=False),
    Column("request_id", String(100)),
    Column("recorded_at", Time, nullable=False),
    Column("published_at", Time),
)
Index(
    "ix_outbox_waiting",
    outbox.c.id,
    postgresql_where=outbox.c.published_at.is_(None),
    sqlite_where=outbox.c.published_at.is_(None),
)


def record(session: Session, *events: Event) -> None:
    """Let the events leave when the session commits."""
    session.info.setdefault("outbox", []).extend(events)


@at_commit(outbox)
def _rows(session: Session) -> Rows:
    events, now, request_id = session.info.pop("outbox", ()), clock.now(), logs.request_id()
    if events:
        session.info["told"] = True  # the relay looks for it after the commit
    return [_row(each, now, request_id) for each in events]


def _row(event: Event, now: object, request_id: str | None) -> dict[str, object]:
    event_id = uuid4()
    return {
        "event_id": event_id,
        "event_type": event.event_type,
        "body": seal(event, event_id).decode(),
        "request_id": request_id,
        "recorded_at": now,
    }
