"""Exports in a process of their own: a million rows keep a processor busy for a minute, and the hub serves others.

``python -m services.assets.exports`` reads what is wanted from its standard input and writes the file to its output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import eventlet
from eventlet.green import subprocess
from eventlet.semaphore import Semaphore

from services.assets import queries
from services.assets.exporting import WRITE, Format
from services.assets.schemas.exports import ExportQuery
from shared import logs
from shared.db import Database
from shared.errors import TooMany, Unavailable

AT_ONCE = 2
CHUNK = 65_536
LOOK_S = 0.02
RETRY_S = 30

log = logs.get(__name__)
_places = Semaphore(AT_ONCE)


class Export:
    """The bytes of one export, as they are written. Ends its process when it is closed, however that comes.

    They go by a file: who reads slowly keeps nobody else's export from being made. Raises TooMany when AT_ONCE are
    being made, Unavailable when the process ends before it wrote anything.
    """

    def __init__(self, database: Database, arguments: Mapping[str, str]) -> None:
        if not _places.acquire(blocking=False):
            raise TooMany(f"{AT_ONCE} exports are under way.", retry_after_s=RETRY_S)
        self._open = True
        self._folder = TemporaryDirectory()  # a process that is killed removes nothing
        file = Path(self._folder.name, "export")
        command = [sys.executable, "-W", "ignore", "-m", "services.assets.exports"]
        try:
            with file.open("wb") as written:
                self._child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=written, env={**os.environ, "TMPDIR": self._folder.name}
                )
        except BaseException:  # a full disk, no process: the place is not lost with it
            _places.release()
            raise
        self._file, self._ended = file.open("rb"), eventlet.spawn(self._end)
        wanted = {"url": database.engine.url.render_as_string(hide_password=False), "arguments": dict(arguments)}
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


def main() -> None:
    wanted = json.load(sys.stdin)
    asked: dict[str, Any] = ExportQuery().load(wanted["arguments"])
    write = WRITE[Format(asked.pop("format"))]
    database = Database(wanted["url"], connections=1, patient=True)
    with database.read() as session:
        write(map(dict, queries.every_facility(session, **asked)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
