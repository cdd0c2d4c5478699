"""Carries committed events from the outbox to the broker, and keeps the kernel's tables in order.

Several replicas may run: rows are claimed with SKIP LOCKED. Events leave at least once, and the inbox makes it once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from nameko.extensions import DependencyProvider
from prometheus_client import Counter
from sqlalchemy import Column, Row, Table, delete, func, select, update
from sqlalchemy.orm import Session

from shared import changes, clock, failpoints, logs, tallies
from shared.db import Database
from shared.events.queues import subscribers_of
from shared.inbox import inbox
from shared.messaging import BROKER_PAUSES_S, Publisher
from shared.outbox import outbox
from shared.requests import requests
from shared.settings import Settings

BATCH = 500
PACE_S = 0.01  # one more event is cheaper in the same batch than in a batch of its own
FOLD_EVERY_S = 5
CLEAN_EVERY_S = 3600
RESEND_AFTER_S = 30  # embedded: when a subscriber's inbox still lacks an event

UNROUTED = Counter("waywarden_unrouted_events", "Events that found no queue; kept and sent again.", ["service"])
log = logs.get(__name__)


class Relay(DependencyProvider):  # type: ignore[misc]
    """Runs the relay and the housekeeping beside a service."""

    def setup(self) -> None:
        self.settings: Settings = self.container.config["settings"]
        self.databases: dict[str, Database] = self.container.config["databases"]
        self.service: str = self.container.service_name
        self.database = self.databases[self.service]
        self.publisher: Publisher | None = None
        self.woken = threading.Event()
        self.changed = False
        self.database.listeners.append(self._heard)
        self.stopping = False
        self.in_flight: dict[int, tuple[Row[Any], float]] = {}  # embedded only
        self.last_id = 0
        self.folded = 0
        UNROUTED.labels(self.service)

    def start(self) -> None:
        forward = self._forward_embedded if self.settings.embedded else self._forward
        jobs: list[tuple[Callable[[], None], float]] = [
            (self._number_ours, 0.1),
            (self._number, 1),  # what a replica left that died
            (self._fold, FOLD_EVERY_S),
            (self._clean, CLEAN_EVERY_S),
        ]
        self.threads = [self.container.spawn_managed_thread(lambda: self._relay(forward))]
        self.threads += [self.container.spawn_managed_thread(lambda j=job: self._every(*j)) for job in jobs]

    def _heard(self, session: Session) -> None:
        """Look at what was committed in this process, so as not to ask an idle database."""
        if "told" in session.info:
            self.woken.set()
        self.changed = self.changed or "changed" in session.info

    def stop(self) -> None:
        self.stopping = True
        self.woken.set()
        for thread in self.threads:
            thread.wait()
        if self.publisher:
            self.publisher.close()

    def _relay(self, forward: Callable[[], int]) -> None:
        failures = 0
        while not self.stopping:
            self.woken.clear()
            try:
                self.publisher = self.publisher or Publisher(self.settings.broker_url)
                sent = forward()
                failures = 0
            except Exception as lost:
                log.warning("relay cannot publish", service=self.service, error=repr(lost))
                self._drop_publisher()
                time.sleep(BROKER_PAUSES_S[min(failures, len(BROKER_PAUSES_S) - 1)])
                failures += 1
                continue
            if sent < BATCH:
                self.woken.wait(0.05 if self.in_flight else 1)
                time.sleep(PACE_S)

    def _drop_publisher(self) -> None:
        publisher, self.publisher = self.publisher, None
        try:
            if publisher:
                publisher.close()
        except Exception as broken:
            log.debug("closing a broken connection", error=repr(broken))

    def _forward(self) -> int:
        """Publish a batch and mark it, in one transaction that holds its rows; return how many."""
        assert self.publisher
        with self.database.begin() as session:
            rows = session.execute(
                _waiting().order_by(outbox.c.id).limit(BATCH).with_for_update(skip_locked=True)
            ).all()
            if not rows:
                self.publisher.beat()
                return 0
            unrouted = self.publisher.publish(rows)
            failpoints.pass_by("relay-published")
            _mark(session, [row.id for row in rows if str(row.event_id) not in unrouted])
        if unrouted:
            self._report(unrouted)
        return len(rows)

    def _report(self, unrouted: set[str]) -> None:
        """They stay in the outbox; a new connection declares the queues that are missing."""
        UNROUTED.labels(self.service).inc(len(unrouted))
        log.error("events found no queue", service=self.service, events=sorted(unrouted)[:10], count=len(unrouted))
        self._drop_publisher()

    def _forward_embedded(self) -> int:
        """Publish what is new to a broker that forgets; mark what every subscriber's inbox has."""
        assert self.publisher
        with self.database.read() as session:
            rows = session.execute(
                _waiting().where(outbox.c.id > self.last_id).order_by(outbox.c.id).limit(BATCH)
            ).all()
        late = time.monotonic() - RESEND_AFTER_S
        again = [row for row, sent_at in self.in_flight.values() if sent_at < late]
        if rows or again:
            self.publisher.publish([*again, *rows])
        self.in_flight |= {row.id: (row, time.monotonic()) for row in [*again, *rows]}
        self.last_id = rows[-1].id if rows else self.last_id
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

    def _every(self, job: Callable[[], None], seconds: float) -> None:
        due = time.monotonic() + seconds
        while not self.stopping:
            if time.monotonic() >= due:
                due = time.monotonic() + seconds
                try:
                    job()
                except Exception as wrong:
                    log.warning("housekeeping failed", job=job.__name__, service=self.service, error=repr(wrong))
                    due += 1
            time.sleep(min(seconds, 0.2))

    def _number_ours(self) -> None:
        if self.changed:
            self.changed = False
            self._number()

    def _number(self) -> None:
        with self.database.read() as session:
            waiting = changes.unnumbered(session)
        if waiting:
            with self.database.begin() as session:
                changes.number(session)

    def _fold(self) -> None:
        """Only when rows were added: a fold leaves about as many rows as there are sums."""
        with self.database.read() as session:
            grown = tallies.rows(session) - self.folded
        if grown > 100:
            for _ in range(grown // tallies.FOLD + 1):
                with self.database.begin() as session:
                    tallies.fold(session)
            with self.database.read() as session:
                self.folded = tallies.rows(session)

    def _clean(self) -> None:
        """Remove what is older than anything that can still be delivered, replayed or sent again."""
        before = clock.now() - timedelta(days=self.settings.retention_days)
        old: list[tuple[Table, Column[Any]]] = [
            (outbox, outbox.c.published_at),
            (inbox, inbox.c.handled_at),
            (requests, requests.c.at),
            (changes.changes, changes.changes.c.at),
        ]
        for table, at in old:
            with self.database.begin() as session:
                _remove(session, table, at, before)


def _waiting() -> Any:
    return select(*outbox.c["id", "event_id", "event_type", "body", "request_id"]).where(
        outbox.c.published_at.is_(None)
    )


def _mark(session: Session, ids: list[int]) -> None:
    session.execute(update(outbox).where(outbox.c.id.in_(ids)).values(published_at=clock.now()))


def _remove(session: Session, table: Table, at: Column[Any], before: datetime) -> None:
    old = delete(table).where(at < before)
    if table is changes.changes:  # the newest position must stay known, or it would be given out again
        old = old.where(table.c.position < select(func.max(table.c.position)).scalar_subquery())
    session.execute(old)
