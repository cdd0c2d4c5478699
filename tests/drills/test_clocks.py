"""Clocks that jump, and a hundred days in which nothing happens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.stack import Embedded, Stack
from shared import clock
from shared.events.queues import SERVICES
from shared.outbox import outbox
from tests.client import wait_for
from tests.drills.audit import audit, rows
from tests.drills.conftest import SETTINGS, Size
from tests.drills.faults import impossible
from tests.drills.loop import Loop

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class FakeClock:
    """The clock of the processes that start with ``environment``: so many seconds from the true one, from now on."""

    def __init__(self, folder: Path, *, monotonic: bool) -> None:
        if FAKETIME is None:
            impossible("Not installed: faketime.")
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic else "1",
        }
        self.jump(0)

    def jump(self, seconds: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n")
        new.replace(self._file)


def test_clocks_that_jump(whole: Stack, tmp_path: Path, size: Size, chance: random.Random) -> None:
    """The clock of one service after the other goes hours ahead and comes back; what is reported then is new."""
    fake = FakeClock(tmp_path, monotonic=False)
    with Loop(whole, wanted=size.stories) as loop:
        for service in dict.fromkeys([*size.victims(chance), "workorders", "inspections"]):
            whole.process(service).stop()
            whole.process(service).launch(**fake.environment)
            whole.process(service).wait_ready()
            for hours in (3, 1, 8, 0):
                fake.jump(hours * 3_600)
                loop.await_story()
            whole.process(service).stop()
            whole.process(service).start()
    audit(whole, loop)
    with Loop(whole, wanted=size.stories) as afterwards:  # of the same lamps
        pass
    audit(whole, afterwards)


def test_a_hundred_days_of_silence(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, size: Size) -> None:
    """The clean-up empties outboxes and inboxes of a running process, and the next event flows as the first did."""
    fake = FakeClock(tmp_path, monotonic=True)
    settings = SETTINGS | fake.environment
    with Embedded(tmp_path_factory.mktemp("silence"), environment=settings) as running:
        with Loop(running, wanted=size.stories, threads=4) as loop:
            pass
        audit(running, loop)
        old = outbox.select().where(outbox.c.recorded_at < datetime.now(UTC) + timedelta(days=1))
        fake.jump(100 * 86_400)
        for service in SERVICES:
            wait_for(lambda service=service: not rows(running, service, old), f"{service} to clean up")  # type: ignore[misc]
        with later(timedelta(days=100)), Loop(running, wanted=size.stories, threads=4) as loop:
            pass
        audit(running, loop)


@contextmanager
def later(by: timedelta) -> Iterator[None]:
    """Tokens are signed as of then."""
    with clock.frozen(datetime.now(UTC) + by):
        yield
