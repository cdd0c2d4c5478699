"""What a start refuses, and says so in one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

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


def test_a_broker_of_another_process_needs_to_be_named(tmp_path: Path) -> None:
    ended = start(tmp_path / "data", SERVICES="assets")
    assert ended.returncode == 2
    assert "WAYWARDEN_BROKER_URL" in ended.stderr


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
