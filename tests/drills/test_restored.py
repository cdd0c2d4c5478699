"""One of the four databases goes back to an earlier point, and the outboxes are sent again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest

from deploy.servers import postgres_programs
from deploy.stack import Embedded, Stack
from shared.events.queues import SERVICES
from tests.drills.audit import audit, await_settled, command
from tests.drills.conftest import Size
from tests.drills.loop import PATIENCE_S, Loop
from tests.story import Cast, LampStory


@pytest.mark.parametrize("way", ["whole", "drilled_embedded"])
@pytest.mark.parametrize("service", ["assets", "workorders"])
def test_a_database_restored_to_an_earlier_point(
    request: pytest.FixtureRequest, tmp_path: Path, size: Size, way: str, service: str
) -> None:
    """What people did at the service since then is gone with it; what it learned from events comes again."""
    if (service == "workorders" or way == "whole") and size.rounds == 1:
        pytest.skip("Only in the full form: make drills")
    running: Embedded | Stack = request.getfixturevalue(way)
    with Loop(running, wanted=size.stories, threads=4) as loop:
        pass
    await_settled(running)
    since = datetime.now(UTC)
    restore = backup(running, service, tmp_path)
    with closing(loop.system()) as system:
        cast = Cast(system)
        stories = [LampStory(cast, lamp, timeout_s=PATIENCE_S) for lamp in cast.lamps(4)]
        for story in stories:
            story.report()
            story.await_order()
        if service == "assets":  # nobody did anything there: all of it is learned again
            for story in stories[:2]:
                story.repair(with_photo=False)
                story.await_finding("resolved")
        await_settled(running)
        running.process(service).stop()
        restore()
        for each in SERVICES:
            assert command(running, "events", "resend", "--service", each, "--since", since.isoformat()).returncode == 0
        assert command(running, "restored", "--service", service).returncode == 0
        running.process(service).start()
        for story in stories[2:] if service == "assets" else stories:
            story.await_order()
            story.repair(with_photo=False)
        for story in stories:
            story.await_finding("resolved")
            story.await_condition("intact")
            loop.played.append(story.finding_id)
    audit(running, loop)


def backup(running: Embedded | Stack, service: str, folder: Path) -> Callable[[], object]:
    """Keep the database as it is now, as docs/operations.md says; the function brings it back to that point."""
    if isinstance(running, Stack):
        return dumped(running.database_url(service).replace("+psycopg2", ""), folder / f"{service}.dump")
    kept, file = folder / f"{service}.sqlite", running.data / f"{service}.sqlite"
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
    subprocess.run(["python3", "-c", program, file, kept], check=True)

    def restore() -> None:
        for leftover in running.data.glob(f"{service}.sqlite-*"):
            leftover.unlink()
        copy(kept, file)

    return restore


def dumped(url: str, file: Path) -> Callable[[], object]:
    programs = postgres_programs()
    subprocess.run([f"{programs}/pg_dump", "-Fc", "-f", file, url], check=True)
    restoring = [f"{programs}/pg_restore", "--clean", "--if-exists", "--exit-on-error", "-d", url, str(file)]
    return lambda: subprocess.run(restoring, check=True)
