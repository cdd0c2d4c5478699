"""Imports as they are ordered, and the profiles by which files are read."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import UnknownKind
from services.assets.domain.imports import OPEN, State, UnknownProfile, series_of
from services.assets.tables import import_profiles, imports
from shared import clock, errors, files
from shared.db import Database
from shared.errors import Invalid

ARRIVING = "arriving-"
LOCK_FILE = "worker.lock"
UNLOCKED_S = 60  # between making what arrives and locking it
FORGOTTEN_S = 3_600  # a command that died is sent again before


def order_import(
    session: Session,
    *,
    import_id: UUID,
    file_name: str,
    size: int,
    options: Mapping[str, Any],
    profile: str | None,
    who: str,
) -> dict[str, Any]:
    """Note that a file waits to be imported. ``options`` come before those of the profile. Raises UnknownProfile."""
    saved = _profile(session, profile) if profile else {}
    chosen = {**saved, **options}
    _check_kinds(chosen)
    row = {
        "id": import_id, "state": State.QUEUED.value, "file_name": file_name, "bytes": size, "options": chosen,
        "understood": None, "sample": [], "rows_total": None, "rows": 0, "created": 0, "updated": 0, "unchanged": 0,
        "rejected": 0, "repaired": 0, "held": 0, "missing": None, "retired": 0, "rules": {}, "position": 0,
        "starts": 0, "error": None, "who": who, "created_at": clock.now(),
    }  # fmt: skip
    session.execute(insert(imports), row)
    session.info["import"] = True
    shown = {"started_at": None, "finished_at": None, "progress": None, "state": State.RUNNING.value}
    return {**row, **shown, "dry_run": chosen.get("dry_run", False), "source": series_of(chosen)}


def _profile(session: Session, name: str) -> Mapping[str, Any]:
    options = session.scalar(select(import_profiles.c.options).where(import_profiles.c.name == name))
    if options is None:
        raise UnknownProfile(f"There is no profile {name!r}.", field="profile")
    return dict(options)


def _check_kinds(options: Mapping[str, Any]) -> None:
    for kind in (options.get("kind"), *options.get("kinds", {}).values()):
        if kind is not None and kind not in the_catalogue().kinds:
            raise UnknownKind(f"There is no kind {kind!r}; the catalogue lists them under /kinds.", field="options")


def folder_of(data: Path) -> Path:
    """Where imports keep their files."""
    return data / "imports"


def file_of(folder: Path, import_id: UUID) -> Path:
    return folder / str(import_id) / "file"


def keep_file(folder: Path, import_id: UUID, arrived: Path) -> None:
    """Give the file that arrived its place, on the same disk, instead of what a command that died left there.

    Called in the transaction of the import's row, so that nobody else has this place. Raises DiskFull.
    """
    path = file_of(folder, import_id)
    draft = files.draft_of(path)
    with files.room():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(arrived, draft)
    files.put(draft, path, folder.parent)


def lock(arriving: int) -> None:
    """Show other processes that a file or folder (its descriptor) is in use until this one closes it, or dies."""
    fcntl.flock(arriving, fcntl.LOCK_EX)


@contextmanager
def own_folder(folder: Path) -> Iterator[str]:
    """A folder for what a process unpacks, which is swept when it was killed. Raises DiskFull."""
    with files.room():
        folder.mkdir(parents=True, exist_ok=True)
        made = TemporaryDirectory(dir=folder, prefix=ARRIVING)
    handle = os.open(made.name, os.O_RDONLY)
    try:
        lock(handle)
        yield made.name
    finally:
        os.close(handle)
        made.cleanup()


def sweep_files(db: Database, folder: Path) -> None:
    """Remove what processes left that died: files on their way in, and those of no open import."""
    here = [each for each in folder.glob("*") if each.name != LOCK_FILE]
    with db.read() as session:  # after the look: what came in between is not in it
        states = {str(row.id): row.state for row in session.execute(select(imports.c.id, imports.c.state))}
    for path in here:
        if path.name.startswith(ARRIVING):
            _sweep_arriving(path)
        elif states.get(path.name) not in OPEN:
            files.forget(path, time.time() - (0 if path.name in states else FORGOTTEN_S))


def _sweep_arriving(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return  # it has just been closed
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.forget(path, time.time() - UNLOCKED_S)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)


# --- profiles


def save_profile(session: Session, *, name: str, options: dict[str, Any], expected: int | None) -> dict[str, Any]:
    """Save how files are read under a name, anew or instead of what was there. Raises Stale."""
    if len(name) > 100 or not name.isprintable():
        raise Invalid("A name has at most 100 printable characters.", field="name")
    _check_kinds(options)
    here = import_profiles.c.name == name
    known = session.scalar(select(import_profiles.c.revision).where(here).with_for_update())
    errors.expect(known or 0, expected)
    row = {"name": name, "options": options, "revision": (known or 0) + 1}
    session.execute(update(import_profiles).where(here).values(row) if known else insert(import_profiles).values(row))
    return row


def delete_profile(session: Session, name: str) -> None:
    """Raises UnknownProfile."""
    gone = session.execute(
        delete(import_profiles).where(import_profiles.c.name == name).returning(import_profiles.c.name)
    )
    if gone.first() is None:
        raise UnknownProfile(f"There is no profile {name!r}.")
