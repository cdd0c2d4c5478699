"""The guide from a spreadsheet to rates, done as its reader would: commands are run, and answers compared."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from deploy.process import answers, free_port
from tests.client import wait_for

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "from-spreadsheet-to-rates.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEEP = "export -p > .environment"  # variables of one step are there in the next


def steps() -> list[tuple[str, str]]:
    """Commands, each with what the guide says that they answer, if it says so."""
    found: list[tuple[str, str]] = []
    for language, text in BLOCK.findall(GUIDE.read_text()):
        if language == "sh":
            found.append((text, ""))
        elif text.startswith("$ "):
            commands, _, answer = text.removeprefix("$ ").partition("\n")
            found.append((commands, answer))
        else:
            found[-1] = (found[-1][0], text)
    return found


def as_pattern(answer: str) -> str:
    """A line "…" stands for any lines, "…" within a line for any text."""
    lines = ("(?:.*\n)*?" if line == "…" else f"{re.escape(line).replace('…', '.*')}\n" for line in answer.splitlines())
    return "".join(lines)


@pytest.mark.skipif(shutil.which("curl") is None, reason="its reader has curl")
def test_the_guide_does_what_it_says(tmp_path: Path) -> None:
    for each in ROOT.iterdir():  # as in a clone, whose own files stay as they are
        if not each.name.startswith(".") or each.name == ".venv":
            (tmp_path / each.name).symlink_to(each)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "WAYWARDEN_"))}
    environment["PORT"] = str(port)

    def run(commands: str) -> str:
        script = f"set -a; test ! -e .environment || . ./.environment; {commands}\n{KEEP}"
        done = subprocess.run(
            ["bash", "-c", script.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout

    def shows(commands: str, text: str) -> bool:
        return text in run(commands)

    (start, _), *others = steps()
    with subprocess.Popen(start.split(), cwd=tmp_path, env=environment, start_new_session=True) as system:
        try:
            wait_for(lambda: answers(port), "the system answers")
            seen = ""
            for commands, answer in others:
                seen = run(commands)
                assert re.search(as_pattern(answer), seen), (commands, seen)
                if "lamp_out" in commands:
                    wait_for(partial(shows, commands.splitlines()[-1], '"ratio": 0.8'), "4 of 5 are intact")
            assert "5 unchanged" in seen
        finally:
            os.killpg(system.pid, signal.SIGTERM)
