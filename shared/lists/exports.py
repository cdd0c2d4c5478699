"""Lists as files to download: small ones at once, others by a process of their own.

A million rows keep a processor busy for a minute, and the hub serves others.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Protocol

import eventlet
from eventlet.green import subprocess
from eventlet.semaphore import Semaphore
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from shared.db import Database
from shared.errors import TooMany, Unavailable
from shared.lists.files import Format, TooManyRows
from shared.workers import aside

AT_ONCE = 2
SMALL = 5_000  # rows that a thread writes: to start a process for them takes longer
SMALL_XLSX = 500  # the same of a workbook, of which a row takes ten times as long
MOST_XLSX = 100_000  # openpyxl writes some thousand rows a second, and people open these by hand
CHUNK = 65_536
LOOK_S = 0.02
WAIT_S = 10  # for a place: most files are made sooner
RETRY_S = 30

_places = Semaphore(AT_ONCE)

Asked = Mapping[str, Any]
"""What is asked, as plain JSON: it goes to another process."""


class Job(Protocol):
    """A module that writes one sort of list."""

    __name__: str

    def rows(self, session: Session, asked: Asked) -> Iterator[Any]:
        """All that is asked for, some at a time in memory."""

    def are_over(self, session: Session, count: int, asked: Asked) -> bool:
        """Whether these are more than so many."""

    def write(self, rows: Iterable[Any], asked: Asked, file: BinaryIO) -> None:
        """The file of these rows."""


def answer(db: Database, job: Job, asked: Asked, *, chosen: str, name: str, media: str) -> Response:
    """The file. Raises TooMany, TooManyRows, Unavailable."""
    if chosen == Format.XLSX:
        _refuse_too_many(db, job, asked)
    small = min(SMALL, SMALL_XLSX) if chosen == Format.XLSX else SMALL
    export = _small(db, job, asked, small) or Export(job.__name__, db, asked)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{chosen}"', "Cache-Control": "no-store"}
    return Response(export, headers=headers, content_type=media)


def _refuse_too_many(db: Database, job: Job, asked: Asked) -> None:
    with db.read() as session:
        if job.are_over(session, MOST_XLSX, asked):
            raise TooManyRows(f"These are over {MOST_XLSX:,}; CSV takes any number.", field="format")


def _small(db: Database, job: Job, asked: Asked, rows: int) -> bytes | None:
    """The whole file, unless it is for a process of its own."""
    with db.read() as session:
        found = list(islice(job.rows(session, asked), rows + 1))
    if len(found) > rows:
        return None
    file = BytesIO()
    aside(job.write, found, asked, file)
    return file.getvalue()


class Export:
    """The bytes of one export, as they are written. Ends its process when it is closed, however that comes.

    They go by a file: who reads slowly keeps nobody else's export from being made. Raises TooMany while AT_ONCE are
    being made for WAIT_S, Unavailable when the process ends before it wrote anything.
    """

    def __init__(self, job: str, database: Database, asked: Asked) -> None:
        if not _places.acquire(timeout=WAIT_S):
            raise TooMany(f"{AT_ONCE} exports are under way.", retry_after_s=RETRY_S)
        self._open = True
        self._folder = TemporaryDirectory()  # a process that is killed removes nothing
        file = Path(self._folder.name, "export")
        command = [sys.executable, "-W", "ignore", "-m", "shared.lists.export_worker", job]
        try:
            with file.open("wb") as written:
                self._child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=written, env={**os.environ, "TMPDIR": self._folder.name}
                )
        except BaseException:  # a full disk, no process: the place is not lost with it
            _places.release()
            raise
        self._file, self._ended = file.open("rb"), eventlet.spawn(self._end)
        wanted = {"url": database.engine.url.render_as_string(hide_password=False), "asked": asked}
        self._child.stdin.write(json.dumps(wanted).encode())
        self._child.stdin.close()
        self._first = self._read()
        if not self._first:
            self.close()
            raise Unavailable("The export could not be made.", retry_after_s=RETRY_S)

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._first
        while chunk:
            yield chunk
            chunk = self._read()
        if self._ended.wait():
            raise BrokenPipeError("The export broke off.")  # the client must not take half for the whole

    def _end(self) -> int:
        """The status of the process, once it has ended; then another export may begin."""
        status: int = self._child.wait()
        _places.release()
        return status

    def _read(self) -> bytes:
        """What was written next; nothing once the process has ended."""
        while True:
            ended = self._child.poll() is not None
            if (chunk := self._file.read(CHUNK)) or ended:
                return chunk
            eventlet.sleep(LOOK_S)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._child.kill()
            self._ended.wait()
            self._file.close()
            self._folder.cleanup()
