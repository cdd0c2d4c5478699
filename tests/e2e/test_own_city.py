"""A folder holds one city, its own or the sample, whatever a later start is told; and one process works on it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.data_folder import City, city_of
from deploy.process import free_port
from deploy.stack import ROOT, Embedded
from services.assets.tables import areas, facilities
from shared.events.queues import SERVICES
from tests.client import System
from tests.conftest import run_cli, settings_of
from tests.drills.audit import rows
from tests.story import Cast

DISTRICT = {"type": "Polygon", "coordinates": [[[8.0, 50.0], [8.1, 50.0], [8.1, 50.1], [8.0, 50.1], [8.0, 50.0]]]}
LAMP = {"type": "Point", "coordinates": [8.05, 50.05]}
CHINESE = "城市 '1' \"$HOME\" a"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A city of one's own, with a district and a lamp."""
    with Embedded(tmp_path_factory.mktemp("own") / CHINESE, sample=False) as running:
        with closing(System.of(running)) as system:
            cast = Cast(system)
            cast.operator.post("/districts", {"code": "mitte", "name": "Mitte", "geometry": DISTRICT})
            cast.operator.post("/facilities", {"code": "L-1", "kind": "street_light", "name": "", "geometry": LAMP})
        yield running


def city(running: Embedded) -> list[object]:
    """All that a sample would add to."""
    with closing(System.of(running)) as system:
        cast = Cast(system)
        paths = ("/facilities", "/districts", "/crews", "/sensors", "/dispatch-rules")
        return [cast.admin.get(path) for path in paths]


def test_a_city_of_ones_own_never_gets_the_sample(own: Embedded) -> None:
    """Neither when EMPTY=1 is forgotten, nor when the folder is from a version that remembered nothing."""
    before = city(own)
    for forgotten in (False, True):
        own.stop()
        if forgotten:
            (own.data / "city.json").unlink()
        own.all.start(WAYWARDEN_EMPTY="")
        assert city(own) == before
        assert city_of(own.data) is City.OWN


def test_the_story_is_not_played_on_a_city_of_ones_own(own: Embedded) -> None:
    before = city(own)
    told = make(own, "demo")
    assert told.returncode == 0, told.stderr
    assert "your own" in told.stdout
    assert "What moved" in told.stdout
    assert city(own) == before
    with closing(System.of(own)) as system:
        assert Cast(system).admin.get("/findings")["items"] == []


def test_what_the_start_prints_works_as_it_is_printed(own: Embedded) -> None:
    """In a shell, for a folder whose name has spaces, quotes, a dollar and Chinese characters."""
    said = own.all.log.read_text()
    *_, line = re.findall(r"make token .*", said)
    printed = shlex.split(line)
    assert printed[:3] == ["make", "token", "ROLE=dispatcher"]
    token = subprocess.run(
        ["bash", "-c", line.replace("make", "make -s", 1)], cwd=ROOT, env=plain(), capture_output=True, text=True
    )
    assert token.returncode == 0, token.stderr
    with closing(System.of(own)) as system, system.client(token.stdout.strip()) as dispatcher:
        assert dispatcher.get("/me")["role"] == "dispatcher"


def test_a_second_start_on_the_folder_is_refused_and_commands_work_beside_the_first(own: Embedded) -> None:
    other = Embedded(own.folder, port=free_port(), sample=False)
    other.all.log = own.folder / "log" / "other.log"
    other.all.launch()
    assert other.all.wait(60) == 2
    said = other.all.log_end()
    assert f"process {own.all.pid}" in said
    assert "Traceback" not in said
    for command in (["token", "--role", "operator"], ["events", "list", "--service", "assets"], ["recount"], ["admin"]):
        done = run_cli(own, *command)
        assert done.returncode == 0, done.stderr
    own.all.kill()
    own.start()  # who was killed holds nothing


def test_the_sample_is_not_poured_in_beside_a_running_system(own: Embedded) -> None:
    before = city(own)
    assert run_cli(own, "migrate", "--sample").returncode == 0
    assert city(own) == before


def test_nobody_else_can_read_the_folder(own: Embedded) -> None:
    """What was copied there with wider rights is closed at the start."""
    with closing(System.of(own)) as system:
        Cast(system).inspector.send("PUT", "/api/v1/photos/" + "0" * 64, content=b"no image")
    own.stop()
    own.data.chmod(0o755)
    (own.data / "assets.sqlite").chmod(0o644)
    (own.data / "keys" / "signing.pem").chmod(0o644)
    (own.data / "photos" / "ab").mkdir(parents=True)
    (own.data / "photos" / "ab" / "abcd").touch(0o666)
    own.start()
    city(own)
    open_to_others = [path for path in [own.data, *own.data.rglob("*")] if path.stat().st_mode & 0o077]
    assert not open_to_others
    assert any(path.name.endswith("-wal") for path in own.data.iterdir())


@pytest.mark.parametrize("place", ["a file", "below a file", "where nobody can write", "somebody's things"])
def test_a_folder_that_cannot_be_used_is_named_and_left_alone(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    places = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "data", "somebody's things": tmp_path}
    data = places.get(place, Path("/proc/data"))
    ended = start(data)
    assert ended.returncode == 2
    assert str(data) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "file").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "running.lock", *(f"{s}.sqlite" for s in SERVICES)}


def test_the_sample_city_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "city.json").write_text('{"city": "sample"}')
    ended = start(data, EMPTY="1")
    assert ended.returncode == 2
    assert "sample city" in ended.stderr


def test_a_first_start_that_was_killed_at_any_stage_is_finished_by_the_next(tmp_path: Path) -> None:
    running = Embedded(tmp_path)
    stages = ("city-chosen", "database-migrated:2", "sample-loaded:1", "sample-loaded:2", "sample-loaded:3")
    for stage in stages:
        running.all.launch(WAYWARDEN_FAILPOINT=stage)
        assert running.all.wait(60) == -signal.SIGKILL, running.all.log_end()
        assert len(rows(running, "assets", facilities.select()) if "sample" in stage else []) in (0, 3030)
        assert city_of(running.data) is City.LOADING
    with running:
        holds_the_sample(running)


def test_a_first_start_on_a_full_disk_is_finished_when_there_is_room(tmp_path: Path) -> None:
    running = Embedded(tmp_path)
    runner = f"ulimit -f 3000; exec {shlex.quote(sys.executable)} -m deploy.runner"  # KiB: no file grows beyond it
    full = subprocess.run(
        ["bash", "-c", runner], cwd=ROOT, env=settings_of(running), capture_output=True, text=True, timeout=60
    )
    assert full.returncode == 2
    assert "cannot be used" in full.stderr
    assert "Traceback" not in full.stderr
    with running:
        holds_the_sample(running)


def holds_the_sample(running: Embedded) -> None:
    assert len(rows(running, "assets", facilities.select())) == 3030
    assert len([row for row in rows(running, "assets", areas.select()) if row.level == "district"]) == 4
    assert [len(each["items"]) for each in city(running)[2:]] == [4, 3, 1]  # type: ignore[index]
    assert city_of(running.data) is City.SAMPLE


def plain() -> dict[str, str]:
    """The environment of somebody's shell."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "WAYWARDEN_"))}


def make(running: Embedded, target: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", target, f"PORT={running.port}", f"DATA={running.data}"]
    return subprocess.run(command, cwd=ROOT, env=plain(), capture_output=True, text=True, timeout=120)


def start(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the runner until it ends; it must do so by itself."""
    environment = plain() | {"WAYWARDEN_DATA": str(data), "WAYWARDEN_PORT": str(free_port())}
    environment |= {f"WAYWARDEN_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "deploy.runner"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
