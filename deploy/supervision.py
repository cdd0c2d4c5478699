"""Keeps processes running: what died is started again, at once and then with growing pauses, and never given up."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.process import NotStarted, Process
from shared.files import write_whole

PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0  # who ran so long starts with the first pause again


@dataclass
class Watched:
    """One process, and how it has fared. ``starts`` counts those after the first."""

    name: str
    state: str = "running"
    pid: int | None = None
    starts: int = 0
    ended: str = ""
    tries: int = 0
    due: float = 0.0
    since: float = 0.0


class Supervisor:
    """``tell`` hears a line for whatever happens; ``path`` is a file that says how all are."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        path: Path,
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.processes = list(processes)
        self.watched = [Watched(each.name, since=clock()) for each in processes]
        self.path, self.tell, self.clock = path, tell, clock
        self._why: dict[str, str] = {}
        self.look()

    def end(self, name: str, why: str) -> None:
        """Kill what lives and does not work; it is started again like whatever dies. From any thread."""
        (process,) = (each for each in self.processes if each.name == name)
        if process.running:
            self._why[name] = f": {why}"
            process.send(signal.SIGKILL)

    def look(self) -> None:
        """To be called twice a second or so."""
        before = [asdict(each) for each in self.watched]
        for process, watched in zip(self.processes, self.watched, strict=True):
            self._look(process, watched)
        if before != [asdict(each) for each in self.watched] or not self.path.exists():
            self._write()

    def _look(self, process: Process, watched: Watched) -> None:
        now = self.clock()
        if process.running:
            watched.pid, watched.state = process.pid, "running"
            if watched.tries and now - watched.since > STEADY_S:
                watched.tries = 0
        elif watched.state == "running":
            self._note_end(process, watched, now)
        if watched.state == "down" and now >= watched.due:
            self._start(process, watched, now)

    def _note_end(self, process: Process, watched: Watched, now: float) -> None:
        pause_s = PAUSES_S[min(watched.tries, len(PAUSES_S) - 1)]
        watched.state, watched.pid, watched.due = "down", None, now + pause_s
        how = f"with status {process.status}{self._why.pop(process.name, '')}"
        watched.ended = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {how}"
        again = f"in {pause_s:g} s" if pause_s else "at once"
        self.tell(f"{process.name} ended {how} and is started again {again}. See {process.log}")

    def _start(self, process: Process, watched: Watched, now: float) -> None:
        watched.tries, watched.since = watched.tries + 1, now
        watched.starts += 1
        try:
            process.launch()
            watched.pid, watched.state = process.pid, "running"
        except (OSError, NotStarted) as wrong:
            watched.due = now + PAUSES_S[min(watched.tries, len(PAUSES_S) - 1)]
            watched.ended = str(wrong).splitlines()[0]
            self.tell(f"{process.name} cannot be started: {wrong}")

    def _write(self) -> None:
        try:
            write_whole(self.path, json.dumps([asdict(each) for each in self.watched]).encode(), self.path.parent)
        except OSError as wrong:  # a full disk stops nobody from being started again
            self.tell(f"{self.path} cannot be written: {wrong}")


def pids(path: Path) -> dict[str, int | None]:
    """Of every process, by name; None of one that does not run."""
    return {each["name"]: each["pid"] for each in json.loads(path.read_text())}


def told(path: Path, troubles: Mapping[str, str] | None = None) -> list[str]:
    """The file as lines for people: name, state, process, how often it was started again and how it ended.

    ``troubles``: what ails those that run, by name.
    """
    lines = []
    for each in json.loads(path.read_text()):
        state = (troubles or {}).get(each["name"]) or each["state"]
        pid = f"process {each['pid']}" if each["pid"] else ""
        again = f"started again {each['starts']} times, last ended {each['ended']}" if each["starts"] else ""
        lines.append(f"  {each['name']:<16} {state:<13} {pid:<16} {again}".rstrip())
    return lines


def all_run(path: Path) -> bool:
    return all(each["state"] == "running" for each in json.loads(path.read_text()))
