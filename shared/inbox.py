"""Which events were taken, written in the transaction that handled them: so each has its effect exactly once.

``retries`` holds those that failed: an event stands in the inbox once it was handled *or* parked, and from then on no
second delivery of it has any effect. A parked event is tried again with growing delays; one that used up its tries is
a dead letter, which waits for somebody to replay or discard it. A try that failed since others held what it needed is
no try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from shared import clock
from shared.db import Time, insert_new, kernel
from shared.outbox import outbox

UNSENT = "outbox"  # in place of a queue: events that the broker does not take
HANDLING_S = 60  # a parked event that is tried is not due for anybody else meanwhile
SOON_S = 5

inbox = Table(
    "inbox",
    kernel,
    Column("queue", String(100), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("handled_at", Time, nullable=False, index=True),
)

retries = Table(
    "retries",
    kernel,
    Column("queue", String(100), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("event_type", String(100), nullable=False),
    Column("body", Text, nullable=False),
    Column("request_id", String(100)),
    Column("tries", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("parked_at", Time, nullable=False),
    Column("next_at", Time, index=True),  # none: a dead letter
)


@dataclass(frozen=True)
class Message:
    """An event on its way to a queue's handler, as it came."""

    event_id: UUID
    event_type: str
    body: str
    request_id: str | None


def claim(session: Session, queue: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Take these events for the queue; return those that nobody took before.

    The ids are sorted, since two replicas that claim the same ones in opposite order would deadlock.
    """
    now = clock.now()
    rows = [{"queue": queue, "event_id": each, "handled_at": now} for each in sorted(set(event_ids), key=int)]
    return {row.event_id for row in insert_new(session, inbox, rows, inbox.c.event_id)}


def park(session: Session, queue: str, message: Message, error: str, next_at: datetime | None, tries: int = 1) -> None:
    """Put a failed event aside, unless it was taken already; ``next_at`` None makes it a dead letter at once."""
    if not claim(session, queue, [message.event_id]):
        return
    row = {"queue": queue, "tries": tries, "error": error, "parked_at": clock.now(), "next_at": next_at}
    session.execute(insert(retries).values(**row, **vars(message)))


def due_queues(session: Session, delays_s: Sequence[float]) -> set[str]:
    """The queues that have parked events which are due."""
    return set(session.scalars(select(retries.c.queue).where(_due(delays_s)).distinct()))


def due(session: Session, queue: str, delays_s: Sequence[float]) -> Message | None:
    """The parked event of the queue that is due the longest, if any."""
    row = session.execute(
        select(*retries.c["event_id", "event_type", "body", "request_id"])
        .where(retries.c.queue == queue, _due(delays_s))
        .order_by(retries.c.next_at)
        .limit(1)
    ).first()
    return Message(*row) if row else None


def reserve(session: Session, queue: str, event_id: UUID, delays_s: Sequence[float]) -> bool:
    """Keep a parked event from other replicas while it is tried; false when one was faster."""
    until = clock.now() + timedelta(seconds=HANDLING_S)
    mine = update(retries).where(_this(queue, event_id), _due(delays_s)).values(next_at=until)
    return session.execute(mine.returning(retries.c.event_id)).first() is not None


def _due(delays_s: Sequence[float]) -> ColumnElement[bool]:
    """What is due later than any delay could say was parked by a clock that went wrong."""
    now = clock.now()
    return or_(retries.c.next_at <= now, retries.c.next_at > now + timedelta(seconds=max(HANDLING_S, *delays_s)))


def take(session: Session, queue: str, event_id: UUID) -> bool:
    """Remove a parked event, with the transaction that handles it; false when another replica was faster."""
    gone = session.execute(delete(retries).where(_this(queue, event_id)).returning(retries.c.event_id))
    return gone.first() is not None


def postpone(
    session: Session, queue: str, event_id: UUID, error: str, delays_s: Sequence[float], *, tried: bool = True
) -> datetime | None:
    """Count one more failed try and say when the next is due; None when it was the last. Not ``tried``: soon."""
    tries = session.scalar(select(retries.c.tries).where(_this(queue, event_id)).with_for_update()) or 0
    next_at = after(tries, delays_s) if tried else soon()
    values = {"tries": tries + tried, "error": error, "next_at": next_at}
    session.execute(update(retries).where(_this(queue, event_id)).values(values))
    return next_at


def after(tries: int, delays_s: Sequence[float]) -> datetime | None:
    """When an event that failed ``tries`` times before this one is due again; None when no try is left."""
    return clock.now() + timedelta(seconds=delays_s[tries]) if tries < len(delays_s) else None


def soon() -> datetime:
    """When an event is due again that could not be tried."""
    return clock.now() + timedelta(seconds=SOON_S)


def counts(session: Session) -> tuple[int, int]:
    """How many events wait for another try, and how many are dead letters."""
    waiting, dead = session.execute(
        select(func.count(retries.c.next_at), func.count() - func.count(retries.c.next_at)).select_from(retries)
    ).one()
    return waiting, dead


def replay(session: Session, queue: str, event_id: UUID) -> bool:
    """Make a parked event or dead letter due now, with all its tries back; or let one leave that was refused."""
    if queue == UNSENT:
        session.execute(delete(inbox).where(inbox.c.queue == queue, inbox.c.event_id == event_id))
        session.execute(update(outbox).where(outbox.c.event_id == event_id).values(published_at=None))
        return take(session, queue, event_id)
    changed = session.execute(
        update(retries).where(_this(queue, event_id)).values(tries=0, next_at=clock.now()).returning(retries.c.queue)
    )
    return changed.first() is not None


def _this(queue: str, event_id: UUID):  # type: ignore[no-untyped-def]
    return and_(retries.c.queue == queue, retries.c.event_id == event_id)
