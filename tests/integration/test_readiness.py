"""Ready is who can write: a full disk is told of, on both engines, and that there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from deploy import readiness
from deploy.readiness import Readiness
from deploy.servers import Kept, Postgres, missing
from shared.db import Database


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """150 MB; it takes root to have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk to fill: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Callable[[], None]:
    """Until nothing fits; what undoes it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return path.unlink


def said(database: Database) -> tuple[int, dict[str, str]]:
    answer = Readiness({"assets": database}).answer()
    return answer.status_code, (answer.get_json() or {})["databases"]


def prove(database: Database, folder: Path) -> None:
    assert said(database) == (200, {"assets": "ok"})
    make_room = fill(folder)
    assert said(database) == (503, {"assets": "database takes no writes"})
    make_room()
    assert said(database) == (200, {"assets": "ok"})


def test_a_full_disk_is_not_ready_embedded(small_disk: Path) -> None:
    with closing(Database(f"sqlite:///{small_disk}/assets.sqlite")) as database:
        with database.begin() as session:
            session.execute(text("CREATE TABLE things (a TEXT)"))
        prove(database, small_disk)


@pytest.mark.skipif(bool(missing("postgresql")) and not os.environ.get("CI"), reason="PostgreSQL is not installed")
def test_a_full_disk_is_not_ready_on_postgresql(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.servers.buffers_mb", lambda: 16)
    for each in (small_disk, *small_disk.parents):
        if each.is_relative_to("/tmp"):
            each.chmod(each.stat().st_mode | 0o011)
    server = Postgres(small_disk, Kept(small_disk / "kept.json"))
    server.log = small_disk.parent / "postgres.log"
    server.start()
    try:
        with closing(Database(server.create_database("assets"))) as database:
            prove(database, small_disk)
            with database.read() as session:
                assert session.scalar(text("SELECT count(*) FROM pg_largeobject_metadata")) == 0
    finally:
        server.stop()


def test_a_write_is_tried_once_in_a_while_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Database] = []
    monkeypatch.setattr(readiness, "write", written.append)
    with closing(Database(f"sqlite:///{tmp_path}/assets.sqlite")) as database:
        watched = Readiness({"assets": database})
        assert {watched.answer().status_code for _ in range(20)} == {200}
    assert len(written) == 1
