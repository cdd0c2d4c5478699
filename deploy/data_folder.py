"""The folder of a system's files: one process works on it, its owner alone reads it, it knows whose city it holds."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from deploy.settings import UnusableSettings
from shared import logs
from shared.events.queues import SERVICES
from shared.files import write_whole

LOCK = "running.lock"
CITY = "city.json"
RESTORING = "restoring.txt"  # as long as it is there, the city may be there in part
OURS = {LOCK, CITY, "keys", "lost+found"}  # what may lie in a folder that holds no city yet
OWNER_ONLY = 0o700

log = logs.get(__name__)


class City(StrEnum):
    """Whose city a folder holds. ``LOADING``: the sample, which may be there in part."""

    OWN = "own"
    LOADING = "loading"
    SAMPLE = "sample"


@contextmanager
def held(folder: Path, by: str) -> Iterator[None]:
    """Be the one process that works on this folder, until we end, however that happens. ``by``: what others read.

    Raises UnusableSettings where another one does.
    """
    make(folder)
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read() or "it just started"
            raise UnusableSettings(f"{folder} is in use: {who}. Stop that first, or choose another: DATA=") from None
        file.truncate(0)
        file.write(by)
        file.flush()
        yield


def make(folder: Path) -> None:
    """Raises UnusableSettings where there cannot be such a folder."""
    if folder.exists() and not folder.is_dir():
        raise UnusableSettings(f"{folder} is no folder. Choose another: DATA=")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY)
        (folder / LOCK).touch()
    except OSError as wrong:
        raise UnusableSettings(f"{folder} cannot be used: {wrong.strerror}. Choose another folder: DATA=") from wrong


def close_to_others(folder: Path) -> None:
    """Let nobody but the owner in, as far down as it goes: what was copied here, or made by an earlier version."""
    for at, _, files in os.walk(folder.resolve()):
        for path in (Path(at), *(Path(at, name) for name in files)):
            _narrow(path)


def _narrow(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            path.chmod(stat.S_IMODE(mode) & OWNER_ONLY)
    except FileNotFoundError:
        pass  # a draft that has found its place
    except PermissionError:
        log.warning("others may be able to read this, and it is not ours to change", path=str(path))


def city_of(folder: Path) -> City | None:
    """None where that was never said. Raises UnusableSettings where the file cannot be read."""
    path = folder / CITY
    if not path.exists():
        return None
    try:
        return City(json.loads(path.read_text())["city"])
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise UnusableSettings(f"{path} cannot be read: {wrong}") from wrong


def remember(folder: Path, city: City) -> None:
    write_whole(folder / CITY, json.dumps({"city": city}).encode(), folder)


def refuse_half_a_city(folder: Path) -> None:
    """Raises UnusableSettings where a restore was cut short."""
    if (folder / RESTORING).exists():
        raise UnusableSettings(f"{folder} holds half a city: a restore was cut short. Run the restore again.")


def refuse_what_is_not_ours(folder: Path) -> None:
    """A folder that holds no city yet must hold nothing else. Raises UnusableSettings."""
    if strange := sorted(each.name for each in folder.iterdir() if not _ours(each.name)):
        some = ", ".join(strange[:3]) + (" …" if strange[3:] else "")
        raise UnusableSettings(f"{folder} holds something else ({some}). Choose a new or an empty folder: DATA=")


def _ours(name: str) -> bool:
    """Databases may be there, without a table."""
    return name in OURS or name.startswith(".") or name.partition(".sqlite")[0] in SERVICES
