"""The guide from a spreadsheet to rates, and both READMEs, done as their readers would, and the answers compared."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from deploy.process import answers, free_port
from tests.client import wait_for

ROOT = Path(__file__).parents[2]
FIRST_MINUTES = {"README.md": "The first ten minutes", "README.zh-CN.md": "十分钟上手"}
GUIDE = ROOT / "docs" / "from-spreadsheet-to-rates.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEEP = "export -p > .environment"  # variables of one step are there in the next


def steps(page: str) -> list[tuple[str, str]]:
    """Commands, each with what the page says that they answer, if it says so."""
    found: list[tuple[str, str]] = []
    for language, text in BLOCK.findall(page):
        if language == "sh":
            found.append((text, ""))
        elif text.startswith("$ "):
            parts = (part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:])
            found += [(commands, answer) for commands, _, answer in parts]
        else:
            found[-1] = (found[-1][0], text)
    return found


def as_pattern(answer: str) -> str:
    """A line "…" stands for any lines, "…" within a line for any text."""
    lines = (
        "(?:.*\n)*?" if line.strip() == "…" else f"{re.escape(line).replace('…', '.*')}\n"
        for line in answer.splitlines()
    )
    return "".join(lines)


def of_any_day(answer: str) -> str:
    """The same for an answer whose numbers, times and ids are those of the day when it was written down."""
    anywhere = answer.replace("/home/you/waywarden", "…")
    return re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "[0-9a-f]+", as_pattern(anywhere))


class Reader:
    """Somebody with a clone of their own who types what a page says. ``with`` the system that its first step starts."""

    def __init__(self, folder: Path, start: str) -> None:
        for each in ROOT.iterdir():  # as in a clone, whose own files stay as they are
            if not each.name.startswith(".") or each.name == ".venv":
                (folder / each.name).symlink_to(each)
        self.folder, self.start, self.port, self.log = folder, start.split(), free_port(), folder / "said.log"
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "WAYWARDEN_"))}
        self.environment = mine | {"PORT": str(self.port)}

    def __enter__(self) -> Self:
        with self.log.open("wb") as out:
            self.system = subprocess.Popen(
                self.start, cwd=self.folder, env=self.environment, stdout=out, start_new_session=True
            )
        wait_for(lambda: answers(self.port), "the system answers", 60)
        return self

    def __exit__(self, *failure: object) -> None:
        os.killpg(self.system.pid, signal.SIGTERM)
        self.system.wait(60)

    def said(self) -> str:
        """By the system, as if its port were the usual one."""
        return re.sub(r" PORT=\d+", "", self.log.read_text())

    def run(self, commands: str) -> str:
        script = f"set -a; test ! -e .environment || . ./.environment; {commands}\n{KEEP}"
        done = subprocess.run(
            ["bash", "-c", script.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout

    def shows(self, commands: str, pattern: str) -> bool:
        return bool(re.search(pattern, self.run(commands)))


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="its reader has curl")


@needs_curl
def test_the_guide_does_what_it_says(tmp_path: Path) -> None:
    (start, _), *others = steps(GUIDE.read_text())
    seen = ""
    with Reader(tmp_path, start) as reader:
        for commands, answer in others:
            seen = reader.run(commands)
            assert re.search(as_pattern(answer), seen), (commands, seen)
            if "lamp_out" in commands:
                last = partial(reader.shows, commands.splitlines()[-1], '"ratio": 0.8')
                wait_for(last, "4 of 5 are intact")
    assert "5 unchanged" in seen


@needs_curl
@pytest.mark.parametrize(("name", "heading"), FIRST_MINUTES.items())
def test_the_first_minutes_go_as_the_readme_says(tmp_path: Path, name: str, heading: str) -> None:
    section = (ROOT / name).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (start, greeting), *others = steps(section)
    assert [start, others[0][0]] == ["make run", "make demo"]
    with Reader(tmp_path, start) as reader:
        wait_for(lambda: re.search(of_any_day(greeting), reader.said()), "the greeting", 60)
        for commands, answer in others:
            said = reader.run(commands)
            assert "problem" not in said, (commands, said)
            if "curl" in commands and "-d" not in commands:  # what follows is there in a moment
                wait_for(partial(reader.shows, commands, of_any_day(answer)), f"what {commands} says", 30)
            else:
                anywhere = of_any_day(answer).replace("northwest", r"\w+")  # the demo takes any lamp
                assert re.search(anywhere, said), (commands, said)


def test_who_reads_both_readmes_reports_two_findings() -> None:
    ids = [re.findall(r'"id": "([0-9a-f-]{36})"', (ROOT / name).read_text()) for name in FIRST_MINUTES]
    assert len({each for (each,) in ids}) == len(FIRST_MINUTES)
    for name, (each,) in zip(FIRST_MINUTES, ids, strict=True):
        assert f"finding_id={each}" in (ROOT / name).read_text()
