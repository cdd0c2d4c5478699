"""Work that a service does again and again, beside its requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import eventlet

from shared import logs

PAUSES_S = (0.2, 0.5, 1, 2, 5)  # after a first, a second … failure in a row
STOP_S = 8
LONG_S = 10  # a turn that lasted longer begins a new row

log = logs.get(__name__)


class Loop:
    """Calls ``turn`` until the service stops. It returns the seconds to wait before the next turn, or None to end.

    A turn that raises is logged and taken again. ``wake`` cuts the wait between turns short.
    """

    def __init__(self, container: Any, name: str, turn: Callable[[], float | None]) -> None:
        self.name, self.turn = name, turn
        self.stopped, self._woken = threading.Event(), threading.Event()
        self._thread = container.spawn_managed_thread(self._run)

    @property
    def stopping(self) -> bool:
        return self.stopped.is_set()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Wait until the turn in hand is over, within bounds: what a turn leaves undone is done by another process."""
        self.stopped.set()
        self.wake()
        # One that was ended already, by another stop or with its container, answers with a GreenletExit.
        with eventlet.Timeout(STOP_S, False), suppress(eventlet.greenlet.GreenletExit):
            self._thread.wait()
        self._thread.kill()

    def _run(self) -> None:
        failures = 0
        while not self.stopping:
            self._woken.clear()  # before the turn: what wakes us during it wants another
            began = time.monotonic()
            try:
                wait_s = self.turn()
                failures = 0
            except Exception as wrong:
                failures = 1 if time.monotonic() - began > LONG_S else failures + 1
                self._tell(wrong)
                self.stopped.wait(PAUSES_S[min(failures, len(PAUSES_S)) - 1])
                continue
            if wait_s is None:
                return
            if wait_s:
                self._woken.wait(wait_s)

    def _tell(self, wrong: Exception) -> None:
        if not self.stopping:
            log.warning("failed, will try again", what=self.name, error=repr(wrong))
