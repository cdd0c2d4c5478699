"""Clients that play the whole loop at once, and a journal of every success that they were told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException
from queue import Queue
from typing import Any, Self

from deploy.stack import Embedded, Stack
from tests.client import Answer, Client, Stream, System, Thing, Unexpected, wait_for
from tests.story import Cast, GaugeStory, LampStory, alert_rule, new_gauge

PATIENCE_S = 120.0
DISTRICT = "northeast"
MOVES = {"accept": "accept", "start": "start", "complete": "complete", "check": "pass_check"}


@dataclass
class Journal:
    """What clients were told: the findings that a 2xx promised, and the moves of orders."""

    findings: set[str] = field(default_factory=set)
    moves: set[tuple[str, str]] = field(default_factory=set)  # finding, move

    def hear(self, method: str, target: str, body: Any, answer: Answer) -> None:
        if method != "POST" or not answer.good:
            return
        thing = answer.json()
        if target.endswith("/findings"):
            self.findings.add(thing["id"])
        elif (name := target.rpartition("/")[2]) in MOVES:
            self.moves.add((thing["finding_id"], MOVES[name]))


class Watcher:
    """Listens to the live stream of alerts all the while; cut off, it comes back with the last id that it was sent."""

    def __init__(self, listener: Client) -> None:
        self.listener = listener
        self.seen: dict[str, Thing] = {}  # each alert as it was shown last
        self.connections = 0
        self._stopped = False
        self._stream: Stream | None = None
        self._last: str | None = None
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def stop(self) -> None:
        self._stopped = True
        if self._stream:
            self._stream.cut()

    def _watch(self) -> None:
        while not self._stopped:
            try:
                with self.listener.stream("/alerts/stream", last_event_id=self._last) as stream:
                    self.connections, self._stream = self.connections + 1, stream
                    for told in stream.read():
                        self.seen[told.data["id"]] = told.data
                        self._last = told.id or self._last
            except (OSError, HTTPException, Unexpected):  # nobody is there just now
                time.sleep(0.2)


class Loop:
    """Plays lamp stories on several threads, as many as ``wanted`` and more until it is told that it is enough.

    One more thread plays the story of a gauge again and again, and one listens to the live stream.
    ``with Loop(running, wanted=500) as loop: …break things…`` The end of the block waits for the stories in hand and
    raises what any of them raised. It leaves the lamp ``besides`` alone: what is reported twice is merged, not ordered.
    """

    def __init__(
        self, running: Embedded | Stack, *, wanted: int, threads: int = 8, besides: Thing | None = None
    ) -> None:
        self.running, self.wanted, self.besides = running, wanted, besides
        self.journal = Journal()
        self.played: list[str] = []
        self.started = 0
        self._enough = False
        self._failures: list[BaseException] = []
        self._lamps: Queue[Thing] = Queue()
        self._counting = threading.Lock()
        self.alerts: list[str] = []  # those of the gauges' stories, each played to its end
        self._threads = [threading.Thread(target=self._work, args=(self._play,), daemon=True) for _ in range(threads)]
        self._threads.append(threading.Thread(target=self._work, args=(self._play_gauges,), daemon=True))
        self.watcher = Watcher(self.system().user("controller"))

    @property
    def done(self) -> bool:
        """Whether the wanted number is played, or nothing more will be."""
        return len(self.played) >= self.wanted or bool(self._failures)

    def await_story(self) -> None:
        """Until one more story is played: the next fault is to hit a system at work, not one that still starts."""
        before = len(self.played)
        wait_for(lambda: len(self.played) > before or self.done, "a story to end", PATIENCE_S)

    def __enter__(self) -> Self:
        with closing(self.system()) as system:
            cast = Cast(system)
            alert_rule(cast.admin, DISTRICT, severity="severe", category="overflow", priority=50)
            for lamp in cast.lamps(8 * len(self._threads)):
                if self.besides is None or lamp["code"] != self.besides["code"]:
                    self._lamps.put(lamp)
        for thread in [self.watcher.thread, *self._threads]:
            thread.start()
        return self

    def __exit__(self, kind: object, *failure: object) -> None:
        self._enough = True
        if kind:
            self.watcher.stop()
            return
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        assert len(self.played) >= self.wanted

    def system(self) -> System:
        system = System.of(self.running)
        system.patience_s, system.heard = PATIENCE_S, self.journal.hear
        return system

    def _work(self, play: Callable[[Cast], None]) -> None:
        try:
            with closing(self.system()) as system:
                play(Cast(system))
        except Exception as failure:
            self._failures.append(failure)

    def _play(self, cast: Cast) -> None:
        while self._next():
            lamp = self._lamps.get(timeout=PATIENCE_S)
            story = LampStory(cast, lamp, timeout_s=PATIENCE_S)
            story.play(with_photo=False)
            self.played.append(story.finding_id)
            self._lamps.put(lamp)

    def _play_gauges(self, cast: Cast) -> None:
        gauge = wait_for(lambda: _gauge_of(cast.admin), f"alerts to have heard of {DISTRICT}", PATIENCE_S)
        while not (self._enough or self._failures) or not self.alerts:
            story = GaugeStory(cast, gauge, timeout_s=PATIENCE_S)
            story.play()
            self.alerts.append(story.alert_id)

    def _next(self) -> bool:
        with self._counting:
            self.started += 1
            return not self._failures and (self.started <= self.wanted or not self._enough)


def _gauge_of(admin: Client) -> Thing | None:
    """A new gauge in our district, once alerts has heard of it: events that tell of areas come one after the other."""
    try:
        return new_gauge(admin, DISTRICT)
    except Unexpected as refused:
        if "unknown-district" in str(refused):
            return None
        raise
