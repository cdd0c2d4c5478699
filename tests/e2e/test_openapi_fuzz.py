"""Schemathesis against the generated OpenAPI document: no server error, no answer that the document does not name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from deploy.stack import Embedded
from tests.client import System

HERE = Path(__file__).parent
LEVELS = ("communities", "streets", "grid-cells", "large-grid-cells")
MEMORY = Path("/dev/shm")  # a file system that syncs for nothing
FULL = os.environ.get("WAYWARDEN_DRILLS") == "full"
EXAMPLES = 100 if FULL else 5  # of each operation
PATIENCE_S = "120"  # for one answer: what else runs on a small machine is no fault of the product's
# One route for five levels, each file of which takes a process of its own: the short form asks the districts' alone.
ALIKE = [] if FULL else [f"/api/v1/{level}/imports" for level in LEVELS]


@pytest.fixture(scope="module")
def alone() -> Iterator[Embedded]:
    """A system of its own: afterwards it is full of nonsense, and slow to sign in to."""
    memory = MEMORY if MEMORY.is_dir() else None
    with TemporaryDirectory(dir=memory) as folder, Embedded(Path(folder), sample=False) as running:
        yield running


def fuzz(running: Embedded, document: Path, token: str | None, *chosen: str) -> subprocess.Popen[str]:
    """Schemathesis on some operations, in a process of its own."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "--no-color",
        "run", str(document), "--url", running.base_url, "--header", f"Authorization: Bearer {token}",
        "--max-examples", str(EXAMPLES), "--request-timeout", PATIENCE_S, *chosen,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=document.parent, stdout=PIPE, stderr=STDOUT, text=True)


def without(paths: list[str], document: dict[str, Any]) -> dict[str, Any]:
    return document | {"paths": {path: each for path, each in document["paths"].items() if path not in paths}}


def complaints(said: str) -> str:
    """What went wrong, without what was well and the advice: a failure is often read where little room is left."""
    found = re.search(r"^=+ (ERRORS|FAILURES) =+$.*?(?=^=+ (WARNINGS|SUMMARY) =+$)", said, re.DOTALL | re.MULTILINE)
    return found[0][:8_000] if found else said[-1_000:]


@pytest.mark.timeout(2_400)
def test_no_server_error_and_no_undocumented_answer(alone: Embedded, tmp_path: Path) -> None:
    with System.of(alone).user("admin") as admin:
        document = tmp_path / "openapi.json"
        document.write_bytes(admin.send("GET", "/openapi.json").content)
        document.write_text(json.dumps(without(ALIKE, json.loads(document.read_bytes()))))
        halves = [("--include-tag", "assets"), ("--exclude-tag", "assets")]
        runs = [fuzz(alone, document, admin.token, *half) for half in halves]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(map(complaints, said))
    counts = re.findall(r"Tested: (\d+)|(\d+) generated", "\n".join(said))
    operations, examples = (sum(int(each[place] or 0) for each in counts) for place in (0, 1))
    assert operations == sum(len(each) for each in json.loads(document.read_bytes())["paths"].values()) - 1
    assert examples >= EXAMPLES * operations
