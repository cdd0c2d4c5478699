"""Who dies is started again, with growing pauses, and never given up."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from deploy.process import Process
from deploy.supervision import Supervisor, all_run, told


class Fake(Process):
    """A process that runs when it is told so."""

    def __init__(self, folder: Path) -> None:
        super().__init__("fake", ["true"], log=folder / "fake.log", ready=lambda: True, environment={})
        self.alive, self.launches, self.broken = True, 0, ""

    @property
    def running(self) -> bool:
        return self.alive

    @property
    def pid(self) -> int:
        return 1000 + self.launches

    @property
    def status(self) -> int | None:
        return None if self.alive else -9

    def send(self, sig: signal.Signals) -> None:
        self.alive = False

    def launch(self, **extra: str) -> None:
        self.launches += 1
        if self.broken:
            raise OSError(self.broken)
        self.alive = True


class Bed:
    def __init__(self, folder: Path) -> None:
        self.now, self.said, self.process, self.path = 0.0, [""], Fake(folder), folder / "status.json"
        self.supervisor = Supervisor([self.process], path=self.path, tell=self.said.append, clock=lambda: self.now)

    def after(self, seconds: float) -> int:
        """Launches so far."""
        self.now += seconds
        self.supervisor.look()
        return self.process.launches


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def test_the_first_death_is_answered_at_once_and_told(bed: Bed) -> None:
    bed.process.alive = False
    assert bed.after(0.5) == 1
    assert "fake ended with status -9" in bed.said[-1]
    assert all_run(bed.path)
    assert "started again 1 times" in told(bed.path)[0]


def test_what_is_ended_on_purpose_is_started_again_and_it_is_said_why(bed: Bed) -> None:
    bed.supervisor.end("fake", "it keeps no events")
    assert bed.after(0.5) == 1
    assert "fake ended with status -9: it keeps no events and is started again at once" in bed.said[-1]
    assert "with status -9: it keeps no events" in told(bed.path)[0]


def test_what_ails_one_that_runs_is_shown_instead(bed: Bed) -> None:
    assert "not answering" in told(bed.path, {"fake": "not answering"})[0]
    assert "running" in told(bed.path, {"fake": ""})[0]


def test_pauses_grow_to_half_a_minute_and_it_never_stops_trying(bed: Bed) -> None:
    tries: list[float] = []
    for _ in range(10):
        bed.process.alive = False
        before = bed.now
        while bed.after(0.5) == len(tries):
            assert bed.now - before < 40
        tries.append(bed.now - before)
    assert tries == sorted(tries)
    assert tries[0] == 0.5
    assert tries[-1] == pytest.approx(30.5)


def test_what_ran_for_a_minute_starts_at_once_again(bed: Bed) -> None:
    for _ in range(4):
        bed.process.alive = False
        bed.after(0.5)
        bed.after(31)
    bed.after(61)
    bed.process.alive = False
    assert bed.after(0.5) == bed.process.launches
    assert bed.process.alive


def test_what_cannot_even_be_started_is_told_and_tried_again(bed: Bed) -> None:
    bed.process.alive, bed.process.broken = False, "No space left on device"
    assert bed.after(0.5) == 1
    assert "No space left" in bed.said[-1]
    assert not all_run(bed.path)
    assert "down" in told(bed.path)[0]
    bed.process.broken = ""
    bed.after(40)
    assert all_run(bed.path)
