"""What a start refuses, and says so in one line."""

from __future__ import annotations

import os
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
