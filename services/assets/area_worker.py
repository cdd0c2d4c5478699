"""The process that takes a file of areas while the client waits: apart from the service, with bounds on what it costs.

``python -m services.assets.area_worker`` has everything loaded when it is asked, takes one file, and ends. It is killed
when it takes too long; what it had not committed is not done.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventlet.green import subprocess
from eventlet.semaphore import Semaphore
from sqlalchemy.exc import InterfaceError, OperationalError

from services.assets.domain.areas import Level, UnusableAreas
from services.assets.domain.catalogue import FILE
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.import_worker import NO_DRIVERS, ROOT, be_careful
from services.assets.use_cases.editions import join_in
from services.assets.use_cases.imports import folder_of, own_folder
from shared.db import Database
from shared.errors import Refused, TooMany, Unavailable
from shared.settings import Settings

AT_ONCE = 2
RETRY_S = 10
IDLE_S = 600  # a process that waits for a file ends then: it holds memory
LONGEST_ANSWER = 32_000_000
COMMAND = [sys.executable, "-W", "ignore", "-m", "services.assets.area_worker"]

_places = Semaphore(AT_ONCE)
_waiting: list[Any] = []  # of processes, at most one


def take_file(settings: Settings, database: Database, **job: Any) -> dict[str, Any]:
    """What came of the file at ``path``; see ``area_files.take_areas``.

    Raises TooMany when AT_ONCE are under way, UnusableAreas, also for a file that costs too much, Unavailable.
    """
    if not _places.acquire(blocking=False):
        raise TooMany(f"{AT_ONCE} files of areas are being read.", retry_after_s=RETRY_S)
    worker: Any = None
    try:
        with own_folder(folder_of(settings.data)) as folder:
            worker = _waiting.pop() if _waiting and _waiting[-1].poll() is None else _started()
            url = database.engine.url.render_as_string(hide_password=False)
            answer = _asked(worker, settings, {**job, "folder": folder, "database_url": url})
        return _told(answer, worker, settings)
    finally:
        if worker:
            _end(worker)
        _places.release()
        if not _waiting:
            _waiting.append(_started())


@atexit.register
def end() -> None:
    """End the process that waits."""
    while _waiting:
        _end(_waiting.pop())


def _started() -> Any:
    return subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True)


def _asked(worker: Any, settings: Settings, job: Mapping[str, Any]) -> bytes:
    told = {
        **job,
        "catalogue": str(settings.catalogue or FILE),
        "memory_bytes": settings.import_memory_bytes,
        "limit_s": settings.area_file_limit_s,
    }
    worker.stdin.write(json.dumps(told).encode() + b"\n")
    worker.stdin.flush()
    answer: bytes = worker.stdout.read(LONGEST_ANSWER)
    return answer


def _told(answer: bytes, worker: Any, settings: Settings) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(answer) if answer.endswith(b"\n") else {}
    if "done" in said:
        done: dict[str, Any] = said["done"]
        return done
    if "unavailable" in said:
        raise Unavailable("The database does not answer.", retry_after_s=1)
    if "refused" in said:
        raise UnusableAreas(said["refused"], field=said["field"])
    cost = f"{settings.area_file_limit_s} s" if worker.wait() == -signal.SIGALRM else "memory that there is for it"
    raise UnusableAreas(f"Reading it takes more than the {cost}; send it in parts.", field="file")


def _end(worker: Any) -> None:
    worker.stdin.close()
    worker.kill()
    worker.wait()
    worker.stdout.close()


# --- in the process


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print
    os.environ["OGR_SKIP"] = NO_DRIVERS
    from services.assets.use_cases import area_files  # noqa: F401  loaded before it is asked: it takes a second

    signal.alarm(IDLE_S)
    job = json.loads(sys.stdin.readline() or "null")
    if job:
        signal.alarm(job["limit_s"])
        json.dump(_answered(job), answers)
        answers.write("\n")
        answers.flush()


def _answered(job: Mapping[str, Any]) -> dict[str, Any]:
    be_careful(job["memory_bytes"])
    tempfile.tempdir = job["folder"]
    try:
        return {"done": _taken(job)}
    except Refused as refused:
        return {"refused": refused.detail, "field": refused.field}
    except (OperationalError, InterfaceError):
        return {"unavailable": True}
    except MemoryError:
        return {}
    except Exception as wrong:
        return {"refused": f"It could not be read: {type(wrong).__name__}.", "field": "file"}


def _taken(job: Mapping[str, Any]) -> dict[str, Any]:
    from services.assets.use_cases import area_files

    database = Database(job["database_url"], connections=1)
    join_in(database, CatalogueFile(Path(job["catalogue"])))
    found = area_files.read_areas(Path(job["path"]), job["name"], job["options"])
    with database.begin() as session:
        return area_files.take_areas(session, found, level=Level(job["level"]), who=job["who"], dry_run=job["dry_run"])


if __name__ == "__main__":
    main()
