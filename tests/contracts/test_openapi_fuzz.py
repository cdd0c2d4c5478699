"""Schemathesis against the generated OpenAPI document: no server error, and no answer that the document does not name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.stack import Embedded
from tests.client import System

HERE = Path(__file__).parent
MEMORY = Path("/dev/shm")  # a file system that syncs for nothing


@pytest.fixture(scope="module")
def alone() -> Iterator[Embedded]:
    """A system of its own: afterwards it is full of nonsense, and slow to sign in to."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        with Embedded(Path(folder), sample=False) as running:
            yield running


@pytest.mark.timeout(900)
def test_no_server_error_and_no_undocumented_answer(alone: Embedded, tmp_path: Path) -> None:
    system = System.of(alone)
    admin = system.user("admin")
    document = tmp_path / "openapi.json"
    document.write_bytes(admin.send("GET", "/openapi.json").content)
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "--no-color",
         "run", str(document), "--url", alone.base_url, "--header", f"Authorization: Bearer {admin.token}",
         "--workers", "2"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    system.close()
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    tested = re.search(r"(\d+) test cases|Test cases:\s+(\d+)", run.stdout)
    assert tested, run.stdout[-2_000:]
