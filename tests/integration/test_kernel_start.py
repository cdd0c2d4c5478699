"""What a start refuses, and says so in one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from deploy.process import Process
from deploy.stack import Embedded
from services.assets.domain.catalogue import FILE
from tests.client import wait_for

ROOT = Path(__file__).parents[2]


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the runner until it ends; it must do so by itself."""
    environment = {**os.environ, "WAYWARDEN_DATA": str(folder)}
    environment |= {f"WAYWARDEN_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "deploy.runner"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_second_start_on_a_port_says_that_it_is_taken_and_touches_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(tmp_path / "data", PORT=str(port))
    assert ended.returncode != 0
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_setting_that_cannot_be_used_ends_the_start_with_its_name(tmp_path: Path) -> None:
    ended = start(tmp_path / "data", PORT="eight")
    assert ended.returncode == 2
    assert "PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_name_that_is_no_setting_is_told_and_the_start_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, EMPTY="1", RETENTION_DAY="7") as (
        system,
        process,
    ):
        assert answers(system, "/health/live") == 200
        assert "is WAYWARDEN_RETENTION_DAYS meant?" in process.log.read_text()


WRONG = {
    "missing": (None, "No such file"), "a folder": ("/", "Is a directory"), "no table": ("[kinds", "line 1"),
    "half of one": ("[city]\n", "city"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_first_start_on_a_wrong_catalogue_is_refused_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    text, says = WRONG[what]
    file = tmp_path / "city.toml"
    if text == "/":
        file.mkdir()
    elif text:
        file.write_text(text)
    ended = start(tmp_path / "data", CATALOGUE=str(file), PORT="0")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "WAYWARDEN_CATALOGUE" in line
    assert str(file) in line
    assert says in line
    assert not (tmp_path / "data").exists()


def test_a_later_start_on_a_wrong_catalogue_goes_on_with_the_edition_before_and_shows_its_figures(
    tmp_path: Path,
) -> None:
    file = tmp_path / "city.toml"
    file.write_bytes(FILE.read_bytes())
    with running(tmp_path, CATALOGUE=str(file)) as (system, _):
        wait_for(lambda: "waywarden_catalogue_revision 1.0" in body(system, "/metrics"), "the first edition")
    file.unlink()
    with running(tmp_path, CATALOGUE=str(file)) as (system, _):
        assert answers(system, "/metrics") == 200
        wait_for(lambda: "waywarden_catalogue_revision 1.0" in body(system, "/metrics"), "the edition before")
        assert "waywarden_catalogue_refused 1.0" in body(system, "/metrics")
        assert "# TYPE waywarden_lamps_silent gauge" in body(system, "/metrics")


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[tuple[str, Process]]:
    """The embedded system in a folder: its address and its process."""
    environment = {f"WAYWARDEN_{name}": value for name, value in settings.items()}
    system = Embedded(folder / "system", environment=environment, sample=False)
    with system:
        yield system.base_url, system.all


def answers(system: str, path: str) -> int:
    with urlopen(system + path, timeout=10) as answer:
        return int(answer.status)


def body(system: str, path: str) -> str:
    with urlopen(system + path, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_broker_of_another_process_needs_to_be_named(tmp_path: Path) -> None:
    ended = start(tmp_path / "data", SERVICES="assets")
    assert ended.returncode == 2
    assert "WAYWARDEN_BROKER_URL" in ended.stderr


def test_one_who_is_told_to_stop_twice_at_once_stops_without_a_traceback(tmp_path: Path) -> None:
    """As by make and by the terminal, which both pass Ctrl-C on."""
    with running(tmp_path, EMPTY="1") as (_, process):
        for each in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            process.send(each)
        assert process.wait(60) == 0
        assert "Traceback" not in process.log.read_text()


def test_a_stop_ends_within_bounds_whatever_stands_still(tmp_path: Path) -> None:
    """A handler that holds the whole process, so that nothing of ours can look at the clock."""
    code = (
        "import eventlet; eventlet.monkey_patch()\n"
        "from deploy import runner, settings\n"
        "runner.STOP_WITHIN_S = 1\n"
        "runner.Site.close = lambda self: eventlet.patcher.original('time').sleep(60)\n"
        "runner._wait_for_signal = lambda: None\n"
        "runner.run(settings.load())\n"
    )
    environment = {
        **os.environ,
        "WAYWARDEN_DATA": str(tmp_path / "data"),
        "WAYWARDEN_PORT": "0",
        "WAYWARDEN_EMPTY": "1",
    }
    ended = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGALRM
