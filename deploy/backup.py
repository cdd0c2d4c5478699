"""Backup and restore of the embedded system, beside it while it runs.

Databases first, then files: a row that is in the copy has its file there. The four databases are not copied at the same
instant; a restore has everything sent again that may have been on its way meanwhile, and inboxes drop what they know.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from sqlalchemy import make_url, update

from deploy import data_folder, settings
from deploy.migrations import open_begun
from deploy.settings import UnusableSettings
from shared.db import Database
from shared.files import write_whole
from shared.outbox import outbox
from shared.settings import Settings

MARK = "backup.json"  # written last: without it a copy is not whole
MARGIN = timedelta(minutes=10)  # an event is marked as sent when all have it, which may be later
APART = {MARK, data_folder.LOCK, data_folder.RESTORING}
STAYS = {data_folder.LOCK, data_folder.RESTORING, "lost+found"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy databases, files and keys of the embedded system into a new or empty FOLDER; it may run meanwhile."""
    try:
        chosen = embedded()
        begun_at = datetime.now(UTC)
        data_folder.refuse_half_a_city(chosen.data)
        if folder.resolve().is_relative_to(chosen.data.resolve()):
            raise UnusableSettings(f"{folder} lies in {chosen.data}, which is what is copied")
        refuse_filled(folder)
        for name in chosen.services:
            open_begun(chosen, name).close()
        make_empty(folder)
        for name in chosen.services:
            copy_database(file_of(chosen, name), folder / f"{name}.sqlite")
        copy_files(chosen.data, folder)
        write_whole(folder / MARK, json.dumps({"begun_at": begun_at.isoformat()}).encode(), folder)
    except (UnusableSettings, OSError, sqlite3.Error) as wrong:
        raise click.ClickException(f"No backup was made: {wrong}") from wrong
    click.echo(f"{folder} holds a whole backup of {chosen.data}. It holds the signing key: keep it from others.")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Make a new or empty WAYWARDEN_DATA out of the backup in FOLDER. The system must not run there."""
    try:
        chosen = embedded()
        begun_at = datetime.fromisoformat(json.loads((folder / MARK).read_text())["begun_at"])
        if not (chosen.data / data_folder.RESTORING).exists():
            refuse_filled(chosen.data)
        with data_folder.held(chosen.data, "a restore"):
            begin_anew(chosen.data)
            for name in chosen.services:
                copy_database(folder / f"{name}.sqlite", file_of(chosen, name))
                send_again(chosen.database_urls[name], begun_at - MARGIN)
            copy_files(folder, chosen.data)
            data_folder.close_to_others(chosen.data)
            os.sync()  # all of it is on the disk before nothing says any more that it may not be
            (chosen.data / data_folder.RESTORING).unlink()
    except (UnusableSettings, OSError, ValueError, KeyError, sqlite3.Error) as wrong:
        raise click.ClickException(f"Not restored: {wrong}") from wrong
    click.echo(f"{chosen.data} is as it was at {begun_at:%Y-%m-%d %H:%M} UTC. Start the system, then run the recount.")


def embedded() -> Settings:
    """Raises UnusableSettings where the databases are no files of ours."""
    chosen = settings.load()
    if not all(make_url(url).get_backend_name() == "sqlite" for url in chosen.database_urls.values()):
        raise UnusableSettings("the databases are on a server; docs/operations.md says how to dump them")
    return chosen


def file_of(chosen: Settings, name: str) -> Path:
    return Path(make_url(chosen.database_urls[name]).database or "")


def begin_anew(folder: Path) -> None:
    """Mark what is begun, and remove what a restore left that was cut short. Raises UnusableSettings."""
    mark = folder / data_folder.RESTORING
    if not mark.exists():
        refuse_filled(folder)  # again: now nobody else works here
        write_whole(mark, b"A restore is at work here, or was cut short: run it again.\n", folder)
    for each in folder.iterdir():
        if each.name not in STAYS:
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def make_empty(folder: Path) -> None:
    refuse_filled(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=data_folder.OWNER_ONLY)


def refuse_filled(folder: Path) -> None:
    """Raises UnusableSettings where there is something in it."""
    if not folder.exists():
        return
    if there := [each.name for each in folder.iterdir() if each.name not in {data_folder.LOCK, "lost+found"}]:
        raise UnusableSettings(f"{folder} is not empty: it holds {', '.join(sorted(there)[:3])}")


def copy_database(source: Path, target: Path) -> None:
    """As it is at one moment, with what waits in its log. Raises sqlite3.Error where the copy is not sound."""
    if not source.exists():
        raise UnusableSettings(f"there is no {source}")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")  # one file, whole in itself
        (verdict,) = new.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{source}: {verdict}")


def copy_files(source: Path, target: Path) -> None:
    """All but databases, drafts and what only a running system needs."""
    shutil.copytree(source, target, ignore=_apart, dirs_exist_ok=True)


def _apart(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in APART or ".sqlite" in name or name.startswith(".")}


def send_again(url: str, since: datetime) -> None:
    database = Database(url, connections=2)
    with database.begin() as session:
        session.execute(update(outbox).where(outbox.c.published_at >= since).values(published_at=None))
    database.close()
