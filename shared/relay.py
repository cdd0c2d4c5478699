"""Carries committed events from the outbox to the broker, and keeps the kernel's tables in order.

Several replicas may run: each claims the batch that it sends. Events leave at least once, and the inbox makes it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import eventlet
from amqp import PreconditionFailed
from nameko.extensions import DependencyProvider
from prometheus_client import Counter, Gauge
from sqlalchemy import Column, ColumnElement, CursorResult, Row, Table, delete, func, select, tuple_
from sqlalchemy.orm import Session

from shared import changes, clock, failpoints, inbox, logs, outbox, tallies
from shared.db import Database
from shared.events.queues import subscribers_of
from shared.loops import Loop
from shared.messaging import BATCH, HANG_UP_S, REST_S, Publisher, rest
from shared.requests import requests
from shared.settings import Settings

log = logs.get(__name__)
FOLD_EVERY_S = 5
LOOK_S = 1  # for what a replica left that died
HELPER_LOOK_S = 30
LOOK_WHILE_IN_FLIGHT_S = 0.05
MARK_S = 0.25  # for a next batch, before what was sent is marked without one
CLEAN_EVERY_S = 3600
CLEAN_AT_ONCE = 5_000  # rows
RESEND_AFTER_S = 30  # embedded: when a subscriber's inbox still lacks an event

UNROUTED = Counter("waywarden_unrouted_events", "Events that found no queue; kept and sent again.", ["service"])
BLOCKED = Gauge(
    "waywarden_broker_blocked", "Whether the broker takes no events for want of memory or disk.", ["service"]
)


class Unrouted(Exception):
    """Events found no queue. A new connection declares the queues that are missing."""


class Sender:
    """Publishes batch after batch on a connection of its own. ``helper`` joins in where there is more than one."""

    def __init__(self, relay: Relay, forward: Callable[[Sender], int], helper: Sender | None = None) -> None:
        self.relay, self.forward, self.helper = relay, forward, helper
        self.publisher: Publisher | None = None
        self.sent: outbox.Sent | None = None
        self.limit = BATCH
        self.loop = relay.loop(self.send)

    def send(self) -> float:
        """Publish a batch. The next one marks it, or where none comes soon a turn that finds nothing."""
        self.publisher = self.publisher or self.connect()
        limit = self.limit
        try:
            sent = self.forward(self)
        except Exception:
            self.limit = 1  # so as not to send all of them over and over
            self.close()
            self.settle()
            raise
        self.limit = min(BATCH, 2 * limit)
        if sent == limit:
            if self.helper:
                self.helper.loop.wake()
            return 0
        time.sleep(rest(sent))
        if self.sent:
            return MARK_S
        if self is not self.relay.senders[0]:
            return HELPER_LOOK_S  # the first one looks, and wakes it
        return LOOK_WHILE_IN_FLIGHT_S if self.relay.in_flight else LOOK_S

    def settle(self) -> None:
        """Mark what was sent, where no next batch does."""
        if self.sent:
            with self.relay.database.alone() as session:
                outbox.release(session, self.sent)
            self.sent = None

    def connect(self) -> Publisher:
        self.close()
        self.publisher = Publisher(self.relay.settings.broker_url, self.relay.service)
        return self.publisher

    def stop(self) -> None:
        if self.publisher:
            self.publisher.stopping = True
        self.loop.stop()
        self.close()
        with eventlet.Timeout(HANG_UP_S, False), suppress(Exception):  # else it is sent again
            self.settle()

    def close(self) -> None:
        publisher, self.publisher = self.publisher, None
        if publisher:
            publisher.close()


class Relay(DependencyProvider):  # type: ignore[misc]
    """Runs the senders and the housekeeping beside a service."""

    def setup(self) -> None:
        self.settings: Settings = self.container.config["settings"]
        self.databases: dict[str, Database] = self.container.config["databases"]
        self.service: str = self.container.service_name
        self.database = self.databases[self.service]
        self.in_flight: dict[int, tuple[Row[Any], float]] = {}  # embedded only
        self.folded = 0
        self.senders: list[Sender] = []
        UNROUTED.labels(self.service)
        BLOCKED.labels(self.service).set_function(self._blocked)

    def start(self) -> None:
        if self.database.engine.dialect.name == "sqlite":
            forward = self._forward_embedded if self.settings.embedded else self._forward
            self.senders = [Sender(self, forward)]
        else:
            helper = Sender(self, self._forward)
            self.senders = [Sender(self, self._forward, helper), helper]
        self.numbering = self.loop(self._number)
        self.loops = [self.numbering, *map(self.loop, (self._fold, self._clean))]
        self.database.listeners.append(self._heard)

    def loop(self, turn: Callable[[], float]) -> Loop:
        return Loop(self.container, f"{self.service}.relay.{turn.__name__}", turn)

    def _heard(self, session: Session) -> None:
        """Look at what was committed in this process, so as not to ask an idle database."""
        if "told" in session.info:
            self.senders[0].loop.wake()
        if "changed" in session.info:
            self.numbering.wake()

    def stop(self) -> None:
        for sender in self.senders:
            sender.stop()
        for loop in self.loops:
            loop.stop()

    def _blocked(self) -> bool:
        return any(each.publisher and each.publisher.blocked for each in self.senders)

    def _forward(self, sender: Sender) -> int:
        """Mark what the broker confirmed of the batch before, and publish the next one; return how many."""
        publisher, claim = cast(Publisher, sender.publisher), str(uuid4())
        with self.database.alone() as session:
            rows = outbox.claim(session, claim, sender.limit, sender.sent)
        sender.sent = None
        if not rows:
            publisher.beat()
            return 0
        try:
            unrouted = publisher.publish(rows, lambda: self._renew(claim))
        except PreconditionFailed:
            self._try_alone(sender, max(rows, key=lambda each: len(each.body.encode())))
            raise
        finally:
            failpoints.pass_by("relay-published")
            sender.sent = claim, publisher.confirmed(rows)
        if unrouted:
            UNROUTED.labels(self.service).inc(len(unrouted))
            raise Unrouted(f"{len(unrouted)} events stay in the outbox, such as {min(unrouted)}.")
        return len(rows)

    def _renew(self, claim: str) -> None:
        with self.database.alone() as session:
            outbox.renew(session, claim)

    def _try_alone(self, sender: Sender, row: Row[Any]) -> None:
        """Send the largest event of a batch that was refused: a new channel goes by the broker's limit of now."""
        publisher = sender.connect()
        try:
            publisher.publish([row])
        except PreconditionFailed as refused:
            return self._bury(row, refused)
        with self.database.begin() as session:
            outbox.mark(session, publisher.confirmed([row]))

    def _bury(self, row: Row[Any], why: Exception) -> None:
        """Make an event that the broker does not take a dead letter, so that the others leave."""
        message = inbox.Message(UUID(str(row.event_id)), row.event_type, row.body, row.request_id)
        log.error("the broker refuses an event", event_id=str(row.event_id), event_type=row.event_type, error=str(why))
        with self.database.begin() as session:
            inbox.park(session, inbox.UNSENT, message, str(why)[:2000], None)
            outbox.mark(session, [row.id])

    def _forward_embedded(self, sender: Sender) -> int:
        """Publish what is new to a broker that forgets; mark what every subscriber's inbox has."""
        publisher = cast(Publisher, sender.publisher)
        # What is in flight is in the table: nothing newer has a lower id, though an empty one gives ids out again.
        newer = outbox.outbox.c.id > max(self.in_flight, default=0)
        with self.database.look() as session:
            rows = session.execute(outbox.WAITING.where(newer).limit(sender.limit)).all()
        late = time.monotonic() - RESEND_AFTER_S
        again = [row for row, sent_at in self.in_flight.values() if sent_at < late]
        if rows or again:
            publisher.publish([*again, *rows])
        self.in_flight |= {row.id: (row, time.monotonic()) for row in [*again, *rows]}
        if done := self._delivered():
            with self.database.begin() as session:
                outbox.mark(session, done)
            for each in done:
                del self.in_flight[each]
        return len(rows)

    def _delivered(self) -> list[int]:
        missing: dict[str, set[Any]] = {}
        rows = [row for row, _ in self.in_flight.values()]
        for row in rows:
            for queue in subscribers_of(row.event_type):
                missing.setdefault(queue, set()).add(row.event_id)
        for queue, ids in missing.items():
            ids -= self._taken(queue, list(ids))
        return [row.id for row in rows if not any(row.event_id in ids for ids in missing.values())]

    def _taken(self, queue: str, ids: list[Any]) -> set[Any]:
        with self.databases[queue.partition(".")[0]].look() as session:
            known = inbox.inbox.c
            taken = select(known.event_id).where(known.queue == queue, known.event_id.in_(ids))
            return set(session.scalars(taken))

    def _number(self) -> float:
        with self.database.look() as session:
            waiting = changes.unnumbered(session)
        if not waiting:
            return LOOK_S
        with self.database.begin() as session:
            numbered = changes.number(session)
        time.sleep(REST_S)
        return LOOK_S if numbered else REST_S  # another replica was at it, without those that came since

    def _fold(self) -> float:
        """Only when rows were added: a fold leaves about as many rows as there are sums."""
        with self.database.look() as session:
            rows = tallies.rows(session)
        grown = rows - min(self.folded, rows)  # there may be fewer than ever: a database restored
        if grown > 100:
            for _ in range(grown // tallies.FOLD + 1):
                with self.database.begin() as session:
                    tallies.fold(session)
            with self.database.look() as session:
                self.folded = tallies.rows(session)
        return FOLD_EVERY_S

    def _clean(self) -> float:
        """Remove what is older than anything that can still be delivered, replayed or sent again."""
        before = clock.now() - timedelta(days=self.settings.retention_days)
        sent, told = outbox.outbox.c, changes.changes.c
        # The newest position must stay known, or it would be given out again.
        newest = told.position < select(func.max(told.position)).scalar_subquery()
        self._walk(sent.id, sent.recorded_at < before, sent.published_at < before)
        self._walk(told.id, told.at < before, (told.at < before) & newest)
        self._thin(inbox.inbox, inbox.inbox.c.handled_at < before)
        self._thin(requests, requests.c.at < before)
        return CLEAN_EVERY_S

    def _walk(self, key: Column[Any], old: ColumnElement[bool], gone: ColumnElement[bool]) -> None:
        """Remove rows of a table without an index by time, of which those with low ids are the oldest."""
        last = 0
        while True:
            with self.database.begin() as session:
                part = session.execute(select(key, old).where(key > last).order_by(key).limit(CLEAN_AT_ONCE)).all()
                if not any(is_old for _, is_old in part):
                    return
                session.execute(delete(key.table).where(key > last, key <= part[-1][0], gone))
            last = part[-1][0]
            time.sleep(REST_S)

    def _thin(self, table: Table, old: ColumnElement[bool]) -> None:
        """Remove rows of a table with an index by time."""
        key = tuple_(*table.primary_key)
        some = select(*table.primary_key).where(old).limit(CLEAN_AT_ONCE)
        removed = CLEAN_AT_ONCE
        while removed == CLEAN_AT_ONCE:
            with self.database.begin() as session:
                removed = cast(CursorResult[Any], session.execute(delete(table).where(key.in_(some)))).rowcount
            time.sleep(REST_S)
