"""Keeps the audit trail: JSON lines in a folder, a file for each day and process, for so many days.

A line is handed to the operating system before the answer leaves: a killed process loses none, a power cut those of
the last seconds. What cannot be written goes to the log, and is counted.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import Any

from prometheus_client import Counter as Counted

from shared import clock, logs

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
WINDOW = timedelta(minutes=1)  # within which the same again is counted, and told as one line at its end
MOST_OF_ONE = 1_000  # lines of one account, or one address without account, in a window; what is beyond is summed up
STRANGERS = (None, "public")
SAME = ("account", "role", "address", "sort", "outcome", "reason", "service", "method", "route")
LOST = Counted("waywarden_audit_lost", "Entries of the audit trail that could not be written; the log has them.")

log = logs.get(__name__)
Entry = dict[str, Any]


class Trail:
    """What this process adds to the trail in ``folder``; files that are over ``days`` old go when a new day begins."""

    def __init__(self, folder: Path, days: int) -> None:
        self.folder, self.days = folder, days
        self._name = f"{socket.gethostname()}.{os.getpid()}.jsonl"
        self._day: date | None = None
        self._file = -1
        self._torn = b""
        self._ends = clock.now()
        self._again: dict[str, tuple[Entry, int]] = {}
        self._lines: Counter[str] = Counter()

    def write(self, entry: Entry) -> None:
        """Add an entry; the same again within a minute adds to its count, which follows with ``again``."""
        if clock.now() >= self._ends:
            self.flush()
        entry = _told(entry)
        named_by_a_stranger = entry["outcome"] == "refused" and entry["role"] in STRANGERS
        whose = str(entry["address"] if named_by_a_stranger else entry["account"])
        if self._lines[whose] >= MOST_OF_ONE:
            entry |= {"on": {}, "account": None if named_by_a_stranger else entry["account"]}
        key = json.dumps([entry[name] for name in (*SAME, "on")], sort_keys=True)
        first, times = self._again.get(key, (entry, -1))
        self._again[key] = first, times + 1
        if times < 0:
            self._lines[whose] += 1
            self._append([entry])

    def flush(self) -> None:
        """Begin a new minute; tell how often each entry of the last one came again."""
        again = [first | {"at": _now(), "again": times} for first, times in self._again.values() if times]
        self._again.clear()
        self._lines.clear()
        self._ends = clock.now() + WINDOW
        if again:
            self._append(again)

    def _append(self, entries: Iterable[Entry]) -> None:
        lines = [json.dumps(each, ensure_ascii=False) for each in entries]
        content = self._torn + "".join(f"{line}\n" for line in lines).encode()
        try:
            if os.write(self._open_today(), content) < len(content):
                raise OSError("The disk is full.")
            self._torn = b""
        except OSError as wrong:
            self._torn = b"\n"  # what follows begins a line of its own
            LOST.inc(len(lines))
            log.error("audit", error=str(wrong), lines=lines)

    def _open_today(self) -> int:
        today = clock.now().astimezone(UTC).date()
        if today != self._day:
            self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            opened = os.open(
                self.folder / f"{today}.{self._name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE
            )
            self.close()
            self._file, self._day = opened, today
            self._forget(today - timedelta(days=self.days))
        return self._file

    def _forget(self, oldest: date) -> None:
        for path in self.folder.glob("????-??-??.*.jsonl"):
            if path.name[:10] < str(oldest):
                path.unlink(missing_ok=True)  # another replica may be faster

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = -1, None


def _told(entry: Entry) -> Entry:
    """What of it is kept: texts are cut where they would be somebody's novel."""
    return entry | {"on": {name: str(value)[:200] for name, value in entry["on"].items()}}


def _now() -> str:
    return clock.now().isoformat()


def read(folder: Path, since: datetime, until: datetime) -> Iterator[Entry]:
    """Entries of all processes from ``since`` until before ``until``, by time. A torn line is passed over."""
    days = str((since - WINDOW).astimezone(UTC).date()), str(until.astimezone(UTC).date())
    files = sorted(path for path in folder.glob("????-??-??.*.jsonl") if days[0] <= path.name[:10] <= days[1])
    for entry in merge(*map(_entries, files), key=lambda each: str(each["at"])):
        if since <= datetime.fromisoformat(entry["at"]) < until:
            yield entry


def _entries(path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):
                yield json.loads(line)
