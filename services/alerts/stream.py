"""The live stream of alerts: server-sent events from the change log.

One poller per process reads the log for all streams, and only while there are any. A stream without Last-Event-ID
begins with every active alert; with it, with every alert that changed since. Each event's data is the alert as it
stands, its id the position in the log. A reader that cannot keep up is cut off, and comes back with its last id.
"""

from __future__ import annotations

import functools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from services.alerts import queries
from services.alerts.domain.alerts import Alert
from services.alerts.schemas import AlertOut
from services.alerts.use_cases.telling import CHANGE
from shared import changes, logs
from shared.db import Database

POLL_S = 0.25
HEARTBEAT_S = 15.0
STEP_S = 0.5  # how long a stream takes to notice that the process stops
BEHIND = 1_000  # events that a reader may be behind
OPENING = b"retry: 2000\n: active alerts, then each change\n\n"
HEARTBEAT = b": still here\n\n"

log = logs.get(__name__)
render = AlertOut().dump
Event = tuple[int, bytes]  # position in the log, and the event as it is sent


@functools.cache
def feed_of(database: Database) -> Feed:
    """The process's one feed on this database."""
    return Feed(database)


def position(last_event_id: str | None) -> int | None:
    """The position that a client has seen; None when it has seen nothing, or nothing of ours."""
    return int(last_event_id) if last_event_id and re.fullmatch(r"[0-9]{1,18}", last_event_id) else None


class Feed:
    """Reads the change log and hands each change to every stream."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.readers: set[queue.Queue[Event]] = set()
        self.woken = threading.Event()
        self.polling = False
        database.listeners.append(lambda _: self.woken.set())

    def follow(self, seen: int | None, stopping: Callable[[], bool]) -> Iterator[bytes]:
        """The stream of one client, that has ``seen`` the log up to there."""
        reader: queue.Queue[Event] = queue.Queue(BEHIND)
        self.readers.add(reader)  # before we look, so that nothing falls in between
        try:
            with self.database.read() as session:
                sent, missed = changes.latest(session), _missed(session, seen)
            self._start(sent)
            yield OPENING
            yield from missed
            yield from self._rest(reader, sent, stopping)
        finally:
            self.readers.discard(reader)

    def _rest(self, reader: queue.Queue[Event], sent: int, stopping: Callable[[], bool]) -> Iterator[bytes]:
        quiet_since = time.monotonic()
        while not stopping() and reader in self.readers:
            try:
                at, event = reader.get(timeout=STEP_S)
            except queue.Empty:
                if time.monotonic() - quiet_since < HEARTBEAT_S:
                    continue
                at, event = sent, HEARTBEAT
            quiet_since = time.monotonic()
            if event is HEARTBEAT or at > sent:
                yield event

    def _start(self, at: int) -> None:
        if not self.polling:
            self.polling, self.at = True, at
            threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        """Runs while somebody listens."""
        while self.readers:
            self.woken.wait(POLL_S)
            self.woken.clear()
            try:
                self._hand_out()
            except Exception as down:
                log.warning("the change log cannot be read", error=repr(down))
                time.sleep(POLL_S)
        self.polling = False

    def _hand_out(self) -> None:
        with self.database.read() as session:
            for event in _since(session, self.at):
                self.at = max(self.at, event[0])
                for reader in list(self.readers):
                    self._give(reader, event)

    def _give(self, reader: queue.Queue[Event], event: Event) -> None:
        try:
            reader.put_nowait(event)
        except queue.Full:
            self.readers.discard(reader)


def _missed(session: Session, seen: int | None) -> list[bytes]:
    """What a client needs first. The position is read before the alerts: better an event twice than never."""
    latest = changes.latest(session)
    if seen is None or seen > latest:
        return [_event(latest, alert) for alert in queries.active_alerts(session)]
    return [event for _, event in _since(session, seen)]


def _since(session: Session, seen: int) -> Iterator[Event]:
    """What changed after a position: each alert once a batch, as it stands now, in the order of the log."""
    while batch := changes.since(session, seen, kinds=[CHANGE], limit=500):
        seen = batch[-1].position
        last = {change.key: change.position for change in batch}
        found = queries.alerts_by_id(session, map(UUID, last))
        yield from _events(found, last.items())


def _events(found: dict[UUID, Alert], last: Iterable[tuple[str, int]]) -> Iterator[Event]:
    for key, at in sorted(last, key=lambda each: each[1]):
        if alert := found.get(UUID(key)):
            yield at, _event(at, alert)


def _event(at: int, alert: Alert) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (at, msgspec.json.encode(render(alert)))
