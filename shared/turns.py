"""Turns: one account's many requests do not keep another one's few waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventlet.semaphore import Semaphore

from shared.errors import TooMany


class Turns:
    """For each key ``at_once`` may be in, and ``waiting`` more wait ``wait_s`` for their turn."""

    def __init__(self, at_once: int, *, waiting: int = 0, wait_s: float = 0.0) -> None:
        self.at_once, self.waiting, self.wait_s = at_once, waiting, wait_s
        self._free: dict[str, Semaphore] = {}
        self._people: dict[str, int] = {}

    @contextmanager
    def take(self, key: str) -> Iterator[None]:
        """Raises TooMany, with the seconds to wait, where nobody may wait any more, or one has waited too long."""
        free = self._free.setdefault(key, Semaphore(self.at_once))
        self._people[key] = self._people.get(key, 0) + 1
        try:
            crowded = self._people[key] > self.at_once + self.waiting
            if crowded or not free.acquire(timeout=self.wait_s):
                raise TooMany(f"There are {self.at_once} like this at the same time.", retry_after_s=1)
            try:
                yield
            finally:
                free.release()
        finally:
            self._people[key] -= 1
            if not self._people[key]:
                del self._people[key], self._free[key]
