"""Clients that play the whole loop at once, and a journal of every success that they were told."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from queue import Queue
from typing import Any, Self

from deploy.stack import Embedded, Stack
from tests.client import Answer, System, Thing, wait_for
from tests.story import Cast, LampStory

PATIENCE_S = 120.0
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


class Loop:
    """Plays lamp stories on several threads, as many as ``wanted`` and more until it is told that it is enough.

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
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

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
            for lamp in Cast(system).lamps(8 * len(self._threads)):
                if self.besides is None or lamp["code"] != self.besides["code"]:
                    self._lamps.put(lamp)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *failure: object) -> None:
        self._enough = True
        if kind:
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

    def _work(self) -> None:
        try:
            with closing(self.system()) as system:
                self._play(Cast(system))
        except Exception as failure:
            self._failures.append(failure)

    def _play(self, cast: Cast) -> None:
        while self._next():
            lamp = self._lamps.get(timeout=PATIENCE_S)
            story = LampStory(cast, lamp, timeout_s=PATIENCE_S)
            story.play(with_photo=False)
            self.played.append(story.finding_id)
            self._lamps.put(lamp)

    def _next(self) -> bool:
        with self._counting:
            self.started += 1
            return not self._failures and (self.started <= self.wanted or not self._enough)
