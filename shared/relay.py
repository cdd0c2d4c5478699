"""Carries committed events from the outbox to the broker, and keeps the kernel's tables in order.

Several replicas may run: rows are claimed with SKIP LOCKED. Events leave at least once, and the inbox makes it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from nameko.extensions import DependencyProvider
from prometheus_client import Counter
from sqlalchemy import Column, Row, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from shared import changes, clock, failpoints, tallies
from shared.db import Database
from shared.events.queues import subscribers_of
from shared.inbox import inbox
from shared.loops import Loop
from shared.messaging import BATCH, REST_S, Publisher, rest
from shared.outbox import outbox
from shared.requests import requests
from shared.settings import Settings

FOLD_EVERY_S = 5
LOOK_S = 1  # for what a replica left that died
LOOK_WHILE_IN_FLIGHT_S = 0.05
CLEAN_EVERY_S = 3600
RESEND_AFTER_S = 30  # embedded: when a subscriber's inbox still lacks an event

WAITING = (
    select(*outbox.c["id", "event_id", "event_type", "body", "request_id"])
    .where(outbox.c.published_at.is_(None))
    .order_by(outbox.c.id)
    .limit(BATCH)
)
MARK = update(outbox).where(outbox.c.id.in_(bindparam("ids", expanding=True))).values(published_at=bindparam("now"))

UNROUTED = Counter("waywarden_unrouted_events", "Events that found no queue; kept and sent again.", ["service"])


class Unrouted(Exception):
    """Events found no queue. A new connection declares the queues that are missing."""


class Sender:
    """Publishes batch after batch on a connection of its own. ``helper`` joins in where there is more than one."""

    def __init__(self, relay: Relay, forward: Callable[[Publisher], int], helper: Sender | None = None) -> None:
        self.relay, self.forward, self.helper = relay, forward, helper
        self.publisher: Publisher | None = None
        self.loop = relay.loop(self.send)

    def send(self) -> float:
        """Publish a batch. The next turn is at once after a full one, else when there is more."""
        self.publisher = self.publisher or Publisher(self.relay.settings.broker_url, self.relay.service)
        try:
            sent = self.forward(self.publisher)
        except Exception:
            self.close()
            raise
        if sent == BATCH:
            if self.helper:
                self.helper.loop.wake()
            return 0
        time.sleep(rest(sent))
        return LOOK_WHILE_IN_FLIGHT_S if self.relay.in_flight else LOOK_S

    def close(self) -> None:
        publisher, self.publisher = self.publisher, None
        with suppress(Exception):  # it may be broken
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
        UNROUTED.labels(self.service)

    def start(self) -> None:
        if self.settings.embedded:
            self.senders = [Sender(self, self._forward_embedded)]
        else:
            helper = Sender(self, self._forward)
            self.senders = [Sender(self, self._forward, helper), helper]
        self.numbering = self.loop(self._number)
        self.loops = [*(each.loop for each in self.senders), self.numbering, *map(self.loop, (self._fold, self._clean))]
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
        for loop in self.loops:
            loop.stop()
        for sender in self.senders:
            sender.close()

    def _forward(self, publisher: Publisher) -> int:
        """Publish a batch and mark it, in one transaction that holds its rows; return how many."""
        with self.database.begin() as session:
            rows = session.execute(WAITING.with_for_update(skip_locked=True)).all()
            if not rows:
                publisher.beat()
                return 0
            unrouted = publisher.publish(rows)
            failpoints.pass_by("relay-published")
            _mark(session, [row.id for row in rows if str(row.event_id) not in unrouted])
        if unrouted:
            UNROUTED.labels(self.service).inc(len(unrouted))
            raise Unrouted(f"{len(unrouted)} events stay in the outbox, such as {min(unrouted)}.")
        return len(rows)

    def _forward_embedded(self, publisher: Publisher) -> int:
        """Publish what is new to a broker that forgets; mark what every subscriber's inbox has."""
        with self.database.read() as session:
            # What is in flight is in the table: nothing newer has a lower id, though an empty one gives ids out again.
            rows = session.execute(WAITING.where(outbox.c.id > max(self.in_flight, default=0))).all()
        late = time.monotonic() - RESEND_AFTER_S
        again = [row for row, sent_at in self.in_flight.values() if sent_at < late]
        if rows or again:
            publisher.publish([*again, *rows])
        self.in_flight |= {row.id: (row, time.monotonic()) for row in [*again, *rows]}
        if done := self._delivered():
            with self.database.begin() as session:
                _mark(session, done)
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
        with self.databases[queue.partition(".")[0]].read() as session:
            taken = select(inbox.c.event_id).where(inbox.c.queue == queue, inbox.c.event_id.in_(ids))
            return set(session.scalars(taken))

    def _number(self) -> float:
        with self.database.read() as session:
            waiting = changes.unnumbered(session)
        if waiting:
            with self.database.begin() as session:
                changes.number(session)
            time.sleep(REST_S)
        return LOOK_S

    def _fold(self) -> float:
        """Only when rows were added: a fold leaves about as many rows as there are sums."""
        with self.database.read() as session:
            rows = tallies.rows(session)
        grown = rows - min(self.folded, rows)  # there may be fewer than ever: a database restored
        if grown > 100:
            for _ in range(grown // tallies.FOLD + 1):
                with self.database.begin() as session:
                    tallies.fold(session)
            with self.database.read() as session:
                self.folded = tallies.rows(session)
        return FOLD_EVERY_S

    def _clean(self) -> float:
        """Remove what is older than anything that can still be delivered, replayed or sent again."""
        before = clock.now() - timedelta(days=self.settings.retention_days)
        for at in (outbox.c.published_at, inbox.c.handled_at, requests.c.at, changes.changes.c.at):
            with self.database.begin() as session:
                _remove(session, at, before)
        return CLEAN_EVERY_S


def _mark(session: Session, ids: list[int]) -> None:
    session.execute(MARK, {"ids": ids, "now": clock.now()})


def _remove(session: Session, at: Column[Any], before: datetime) -> None:
    table = at.table
    old = delete(table).where(at < before)
    if table is changes.changes:  # the newest position must stay known, or it would be given out again
        old = old.where(table.c.position < select(func.max(table.c.position)).scalar_subquery())
    session.execute(old)
