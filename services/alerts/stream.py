"""The live stream of alerts: server-sent events from the change log.

One poller per process reads the log for all streams, and only while there are any. A stream without Last-Event-ID
begins with every active alert; with it, with every alert that changed since. Each event's data is the alert as it
stands. Its id is the position in the log with a mark of what stands there: a log that went back, since the database
was restored, or that no longer reaches so far, does not know the id, and the stream begins anew. The opening list has
one position: only its last event carries it, so that whoever is cut off before begins anew too. A reader that cannot
keep up is cut off, and comes back with its last id. A stream ends with its token.
"""

from __future__ import annotations

import functools
import queue
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
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
STEP_S = 0.5  # how long a stream takes to notice that it ends
BEHIND = 1_000  # events that a reader may be behind
OPENING = b"retry: 2000\n: active alerts, then each change\n\n"
HEARTBEAT = b": still here\n\n"

log = logs.get(__name__)
render = AlertOut().dump
MARKS = 1_000_000  # an id is position * MARKS + mark
Event = tuple[int, bytes]  # its id, and the event as it is sent


@functools.cache
def feed_of(database: Database) -> Feed:
    """The process's one feed on this database."""
    return Feed(database)


def last_id(last_event_id: str | None) -> int | None:
    """The id that a client saw last; None when it has seen nothing, or nothing of ours."""
    return int(last_event_id) if last_event_id and re.fullmatch(r"[0-9]{1,18}", last_event_id) else None


def id_of(change: changes.Change) -> int:
    """Of a place in the log, and of what stands there."""
    return change.position * MARKS + zlib.crc32(f"{change.key} {change.at.timestamp()}".encode()) % MARKS


class Feed:
    """Reads the change log and hands each change to every stream."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.readers: set[queue.Queue[Event]] = set()
        self.woken = threading.Event()
        self.starting = threading.Lock()
        self.polling = False
        database.listeners.append(lambda _: self.woken.set())

    def follow(self, seen: int | None, ended: Callable[[], bool]) -> Iterator[bytes]:
        """The stream of one client, that has ``seen`` the log up to that id."""
        reader: queue.Queue[Event] = queue.Queue(BEHIND)
        try:
            self._add(reader)  # before we look, so that nothing falls in between
            with self.database.read() as session:
                sent, first = _latest(session), _first(session, seen)
            yield OPENING
            for event in first:
                if ended():
                    return
                yield event
            yield from self._rest(reader, sent, ended)
        finally:
            self.readers.discard(reader)

    def _rest(self, reader: queue.Queue[Event], sent: int, ended: Callable[[], bool]) -> Iterator[bytes]:
        quiet_since = time.monotonic()
        while not ended() and reader in self.readers:
            try:
                at, event = reader.get(timeout=STEP_S)
            except queue.Empty:
                if time.monotonic() - quiet_since < HEARTBEAT_S:
                    continue
                at, event = sent, HEARTBEAT
            quiet_since = time.monotonic()
            if event is HEARTBEAT or at > sent:
                yield event

    def _add(self, reader: queue.Queue[Event]) -> None:
        """Let the poller run from here on, unless it does."""
        with self.starting:
            self.readers.add(reader)
            if not self.polling:
                with self.database.read() as session:
                    self.at = _latest(session)
                self.polling = True
                threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        """Runs while somebody listens."""
        while self._is_needed():
            self.woken.wait(POLL_S)
            self.woken.clear()
            try:
                self._hand_out()
            except Exception as down:
                log.warning("the change log cannot be read", error=repr(down))
                time.sleep(POLL_S)

    def _is_needed(self) -> bool:
        with self.starting:
            self.polling = bool(self.readers)
            return self.polling

    def _hand_out(self) -> None:
        with self.database.read() as session:
            if not _knows(session, self.at):  # it went back: what we would hand out is not what follows
                self.at = _latest(session)
                self.readers.clear()  # each comes back, and begins anew
                return
            for event in _since(session, self.at):
                self.at = max(self.at, event[0])
                for reader in list(self.readers):
                    self._give(reader, event)

    def _give(self, reader: queue.Queue[Event], event: Event) -> None:
        try:
            reader.put_nowait(event)
        except queue.Full:
            self.readers.discard(reader)


def _latest(session: Session) -> int:
    """The id of the newest change; 0 when there is none."""
    newest = changes.since(session, changes.latest(session) - 1, kinds=[CHANGE], limit=1)
    return id_of(newest[0]) if newest else 0


def _knows(session: Session, seen: int) -> bool:
    """Whether the log still has what the id names, so that all that came after it is there as well."""
    there = changes.since(session, seen // MARKS - 1, kinds=[CHANGE], limit=1)
    return seen == 0 or (bool(there) and id_of(there[0]) == seen)


def _first(session: Session, seen: int | None) -> list[bytes]:
    """What a client needs first. The position is read before the alerts: better an event twice than never."""
    if seen and _knows(session, seen):
        return [event for _, event in _since(session, seen)]
    latest = _latest(session)
    found = queries.active_alerts(session)
    return [_event(alert, latest if alert is found[-1] else 0) for alert in found]


def _since(session: Session, seen: int) -> Iterator[Event]:
    """What changed after an id: each alert once a batch, as it stands now, in the order of the log."""
    position = seen // MARKS
    while batch := changes.since(session, position, kinds=[CHANGE], limit=500):
        position = batch[-1].position
        last = {change.key: change for change in batch}
        found = queries.alerts_by_id(session, map(UUID, last))
        for change in sorted(last.values(), key=lambda each: each.position):
            if alert := found.get(UUID(change.key)):
                yield id_of(change), _event(alert, id_of(change))


def _event(alert: Alert, its_id: int) -> bytes:
    named = b"id: %d\n" % its_id if its_id else b""
    return b"%sdata: %s\n\n" % (named, msgspec.json.encode(render(alert)))
