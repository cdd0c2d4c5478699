"""A running embedded system is backed up, and another one made out of the copy."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from deploy.stack import ROOT, Embedded
from shared.outbox import outbox
from tests.client import System
from tests.conftest import await_quiet, prove_sums, run_cli
from tests.drills.audit import rows
from tests.story import Cast, LampStory


def waywarden(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    environment = os.environ | {"WAYWARDEN_DATA": str(data)}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_what_was_backed_up_goes_on_elsewhere(embedded: Embedded, tmp_path: Path) -> None:
    with closing(System.of(embedded)) as system:
        cast = Cast(system)
        story = LampStory(cast, cast.lamps(1)[0])
        story.report()
        story.await_order()
        story.accept()
        story.start()
        photo = story.take_photo()
        await_quiet(system)
        number = story.order["number"]
        before = cast.admin.get(f"/work-orders/{number}"), len(list(cast.admin.items("/findings")))
    copy, data = tmp_path / "backups" / "first one", tmp_path / "embedded" / "data"

    made = run_cli(embedded, "backup", str(copy))

    assert made.returncode == 0, made.stderr
    assert not [path for path in [copy, *copy.rglob("*")] if path.stat().st_mode & 0o077]
    restored = waywarden(data, "restore", str(copy))
    assert restored.returncode == 0, restored.stderr
    other = Embedded(tmp_path / "embedded")
    unsent = [row for row in rows(other, "inspections", select(outbox)) if row.published_at is None]
    assert unsent, "what may have been on its way is sent again"
    with other, closing(System.of(other)) as system:
        cast = Cast(system)
        assert (cast.admin.get(f"/work-orders/{number}"), len(list(cast.admin.items("/findings")))) == before
        assert cast.admin.send("GET", f"/api/v1/photos/{photo}").status == 200
        prove_sums(other, system)
        assert waywarden(other.data, "restore", str(copy)).returncode == 1


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_nothing_is_written_over(tmp_path: Path, command: str) -> None:
    full, source = tmp_path / "full", tmp_path / "source"
    for folder in (full, source):
        folder.mkdir()
        (folder / "city.json").write_text("mine")
    (source / "backup.json").write_text('{"begun_at": "2026-01-01T00:00:00+00:00"}')
    data, other = (source, full) if command == "backup" else (full, source)
    done = waywarden(data, command, str(other))
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (full / "city.json").read_text() == "mine"


def test_a_restore_that_was_cut_short_does_not_start_and_is_done_again(embedded: Embedded, tmp_path: Path) -> None:
    copy, data = tmp_path / "copy", tmp_path / "data"
    assert run_cli(embedded, "backup", str(copy)).returncode == 0
    inside = run_cli(embedded, "backup", str(embedded.data / "copy"))
    assert (inside.returncode, "which is what is copied" in inside.stderr) == (1, True)
    assert not (embedded.data / "copy").exists()
    whole = (copy / "workorders.sqlite").rename(tmp_path / "workorders.sqlite")
    assert waywarden(data, "restore", str(copy)).returncode == 1
    start = [sys.executable, "-m", "deploy.runner"]
    environment = os.environ | {"WAYWARDEN_DATA": str(data), "WAYWARDEN_PORT": "0"}
    started = subprocess.run(start, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (started.returncode, "half a city" in started.stderr) == (2, True)
    whole.rename(copy / "workorders.sqlite")
    assert waywarden(data, "restore", str(copy)).returncode == 0
    assert not (data / "restoring.txt").exists()


def test_a_backup_that_was_cut_short_is_not_restored(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    done = waywarden(tmp_path / "data", "restore", str(tmp_path / "half"))
    assert done.returncode == 1
    assert "backup.json" in done.stderr
