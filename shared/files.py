"""Files that people send: written whole or not at all, read by nobody else on the machine, and removed when nothing
names them any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from uuid import uuid4

from shared import failpoints
from shared.errors import Unavailable

RETRY_S = 60


class DiskFull(Unavailable):
    """There is no room on the disk for this."""

    slug = "disk-full"
    zh = "磁盘空间不足"


def no_room() -> DiskFull:
    return DiskFull("Whoever runs the system has to make room; then send it again.", retry_after_s=RETRY_S)


def full(wrong: BaseException) -> bool:
    """Whether the system says that a disk or a quota is full."""
    return isinstance(wrong, OSError) and wrong.errno in (ENOSPC, EDQUOT)


@contextmanager
def room() -> Iterator[None]:
    """Say DiskFull where the system says that a disk or a quota is full."""
    try:
        yield
    except OSError as wrong:
        if not full(wrong):
            raise
        raise no_room() from wrong


def write_whole(path: Path, content: bytes, below: Path) -> None:
    """Put the bytes at ``path`` so that a power cut leaves all of them or none. Folders under ``below`` are made.

    Raises DiskFull, and leaves nothing then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        with room(), open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        failpoints.pass_by("file-drafted")
        put(draft, path, below)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def draft_of(path: Path) -> Path:
    """A name beside the file's, which nobody else has."""
    return path.with_name(f".{path.name}.{uuid4().hex}")


def put(draft: Path, path: Path, below: Path) -> None:
    """Give a file that is on the disk its name, instead of what has that name."""
    with room():
        draft.rename(path)
        for folder in path.parents:
            _sync(folder)
            if folder == below:
                break
    failpoints.pass_by("file-kept")


def forget(path: Path, before: float) -> bool:
    """Remove a file or folder that nothing names and that was last written before a time (POSIX).

    Whoever writes it anew at the same moment keeps it: it is looked at again once nobody finds it any more.
    """
    try:
        if path.stat().st_mtime >= before:
            return False
        gone = draft_of(path)
        path.rename(gone)
        if gone.stat().st_mtime >= before:
            gone.rename(path)
            return False
    except OSError:
        return False  # somebody else was quicker
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink(missing_ok=True)
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
