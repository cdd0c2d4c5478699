"""Events leave with the transaction that caused them, or not at all.

``record`` puts an event beside the change; the relay (relay.py) publishes it once the transaction has committed.
A row is *done* when ``published_at`` is set: with RabbitMQ, once the broker confirmed it; with ``memory://``, which
forgets, once the inbox of every subscriber has it.

No transaction is open while a batch is on its way. Who sends it holds its range of ids in ``sendings`` instead, for
LEASE_S or as long as it says that it is still at it. Whoever comes back later than that marks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Row, String, Table, Text, Uuid, select, update
from sqlalchemy.orm import Session

from shared import clock, logs
from shared.db import Rows, Time, at_commit, kernel
from shared.envelope import seal
from shared.errors import TooLarge
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

LARGEST = 15_000_000  # bytes of an event: RabbitMQ 4 takes 16 MiB unless it is told otherwise
LEASE_S = 15  # longer than a batch takes that is not held up by the broker itself
CLAIMING = 1_128_808_784  # PostgreSQL's lock by which senders claim one after another

sendings = Table(
    "sendings",
    kernel,
    Column("id", Uuid, primary_key=True),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("at", Time, nullable=False),  # by the database's clock, which is the same for all
)

WAITING = (
    select(*outbox.c["id", "event_id", "event_type", "body", "request_id"])
    .where(outbox.c.published_at.is_(None))
    .order_by(outbox.c.id)
)
# Losing either on a crash of the database means that events are sent again: no need to wait for its disk.
_UNHURRIED = "SET LOCAL synchronous_commit = off;"
_CLAIM = f"""
    SELECT pg_advisory_xact_lock({CLAIMING});
    DELETE FROM sendings WHERE at NOT BETWEEN clock_timestamp() - interval '{LEASE_S} s' AND clock_timestamp();
    WITH taken AS (
        SELECT id, event_id, event_type, body, request_id FROM outbox
        WHERE published_at IS NULL
        AND NOT EXISTS (SELECT FROM sendings WHERE outbox.id BETWEEN first_id AND last_id)
        ORDER BY id LIMIT %(limit)s
    ), claimed AS (
        INSERT INTO sendings (id, first_id, last_id, at)
        SELECT %(claim)s, min(id), max(id), clock_timestamp() FROM taken HAVING count(*) > 0
    )
    SELECT * FROM taken ORDER BY id
"""
_RELEASE = """
    WITH mine AS (DELETE FROM sendings WHERE id = %(sent)s RETURNING id)
    UPDATE outbox SET published_at = %(now)s
    WHERE id = ANY(%(ids)s) AND published_at IS NULL AND EXISTS (SELECT FROM mine);
"""
Sent = tuple[str, list[int]]  # a claim, and what the broker has of it


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
    body = seal(event, event_id)
    if len(body) > LARGEST:
        raise TooLarge(f"{event.event_type} would tell of {len(body):,} bytes; at most {LARGEST:,} can be told.")
    return {
        "event_id": event_id,
        "event_type": event.event_type,
        "body": body.decode(),
        "request_id": request_id,
        "recorded_at": now,
    }


def claim(session: Session, claim_id: str, limit: int, sent: Sent | None = None) -> Sequence[Row[Any]]:
    """Take the events that wait the longest, for a claim of one's own; first ``release`` what was sent before.

    All in one message to the server. SQLite has one process, and needs no claims.
    """
    if session.get_bind().dialect.name == "sqlite":
        if sent:
            mark(session, sent[1])
        return session.execute(WAITING.limit(limit)).all()
    statements = _UNHURRIED + (_RELEASE if sent else "") + _CLAIM
    values = {"claim": claim_id, "limit": limit} | (_released(sent) if sent else {})
    return session.connection().exec_driver_sql(statements, values).all()


def renew(session: Session, claim_id: str) -> None:
    """Say that one is still at it."""
    values = {"claim": claim_id}
    session.connection().exec_driver_sql("UPDATE sendings SET at = clock_timestamp() WHERE id = %(claim)s", values)


def release(session: Session, sent: Sent) -> None:
    """Give a claim back and mark what the broker has; nothing, when the claim was lost meanwhile."""
    if session.get_bind().dialect.name == "sqlite":
        return mark(session, sent[1])
    session.connection().exec_driver_sql(_UNHURRIED + _RELEASE, _released(sent))


def _released(sent: Sent) -> dict[str, Any]:
    claim_id, done = sent
    return {"sent": claim_id, "ids": done, "now": clock.now()}


def mark(session: Session, done: Sequence[int]) -> None:
    session.execute(update(outbox).where(outbox.c.id.in_(done)).values(published_at=clock.now()))
