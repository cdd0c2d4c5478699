"""A folder that a command or a start does not take stays as it was; one line says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.data_folder import City, city_of
from deploy.keys import make_keys
from deploy.process import free_port
from shared.auth import Keys
from tests.client import wait_for

ROOT = Path(__file__).parents[2]
NEW = "018f0000-0000-7000-8000-000000000000"
COMMANDS = [
    ["import", "README.md"],
    ["recount"],
    ["backup", "copy"],
    ["admin"],
    ["audit"],
    ["events", "list", "--service", "alerts"],
    ["events", "show", "--service", "assets", NEW],
    ["events", "replay", "--service", "assets", "--all"],
    ["events", "resend", "--service", "workorders", "--since", "2026-01-01T00:00Z"],
    ["events", "discard", "--service", "inspections", NEW],
]


def environment(data: Path, **settings: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WAYWARDEN_")}
    return ours | {"WAYWARDEN_DATA": str(data)} | {f"WAYWARDEN_{name}": value for name, value in settings.items()}


def run(data: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A module of ours, on this data folder."""
    line = [sys.executable, "-m", *command]
    return subprocess.run(line, env=environment(data), cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_makes_nothing_where_no_system_was_started(tmp_path: Path, command: list[str]) -> None:
    copy = [str(tmp_path / each) if each == "copy" else each for each in command]
    ended = run(tmp_path / "mistyped", "deploy.cli", *copy)
    assert ended.returncode == 1
    assert "Was the system started with this DATA=?" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["deploy.runner"], ["deploy.cli", "migrate", "--sample"]], ids=" ".join)
def test_a_folder_with_something_else_is_refused_and_stays_as_it_was(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    tmp_path.chmod(0o755)
    ended = run(tmp_path, *command)
    assert ended.returncode != 0
    assert "thesis.txt" in ended.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_first_start_that_is_interrupted_says_so_in_one_line_and_the_next_one_goes_on(tmp_path: Path) -> None:
    data, said = tmp_path / "data", tmp_path / "said.log"
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.runner"],
            env=environment(data, PORT=str(free_port())), cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
        wait_for((data / "city.json").exists, "the sample to be loaded")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    assert said.read_text().split("\n") == ["", "waywarden: interrupted. The next start goes on.", ""]
    assert city_of(data) is City.LOADING
    assert run(data, "deploy.cli", "migrate", "--sample").returncode == 0
    assert city_of(data) is City.SAMPLE


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "n" * 129], ids=repr)
def test_a_name_that_cannot_be_read_gets_no_token(tmp_path: Path, name: str) -> None:
    make_keys(tmp_path / "keys")
    ended = run(tmp_path, "deploy.cli", "token", "--role", "dispatcher", "--name", name)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Error: NAME= takes 1 to 128 printable characters.\n"


@pytest.mark.parametrize(("given", "found"), [(["--name", "王芳 Wang"], "王芳 Wang"), ([], "dispatcher")])
def test_a_token_has_the_name_that_is_given_or_that_of_the_role(tmp_path: Path, given: list[str], found: str) -> None:
    make_keys(tmp_path / "keys")
    ended = run(tmp_path, "deploy.cli", "token", "--role", "dispatcher", *given)
    assert Keys(tmp_path / "keys").user(ended.stdout.strip()).name == found
