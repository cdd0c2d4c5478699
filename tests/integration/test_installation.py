"""``make setup`` ends with an installation that works, whatever an earlier one left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.toy import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a name that shells trip over, where nothing is wanted but Python itself."""
    made = tmp_path_factory.mktemp("clone") / "路灯 'a' $HOME"
    (made / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "installation.py", made / "deploy")
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (made / lock).write_text("# nothing\n")
    return made


def setup(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(clone / "deploy" / "installation.py"), "dev"]
    return subprocess.run(command, cwd="/", env=os.environ | environment, capture_output=True, text=True, timeout=120)


def no_pip(venv: Path) -> None:
    """What ``python3 -m venv`` leaves on Debian without python3-venv, and Ctrl-C in its first seconds."""
    shutil.rmtree(venv)
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")


def python_gone(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/usr/bin/python3.of-last-year")


def python_upgraded(venv: Path) -> None:
    (library,) = (venv / "lib").iterdir()
    library.rename(library.with_name("python3.7"))


@pytest.mark.parametrize("spoil", [no_pip, python_gone, python_upgraded])
def test_what_is_broken_is_made_anew(clone: Path, spoil: Callable[[Path], None]) -> None:
    setup(clone)
    spoil(clone / ".venv")
    done = setup(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert subprocess.run([clone / ".venv/bin/python", "-m", "pip", "--version"], capture_output=True).returncode == 0
    assert setup(clone).stdout == "", "a whole one is looked at and left alone"


def test_an_installation_killed_in_the_middle_is_finished_by_the_next(clone: Path) -> None:
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    command = [sys.executable, str(clone / "deploy" / "installation.py")]
    with subprocess.Popen(command, start_new_session=True) as begun:
        until((clone / ".venv" / "pyvenv.cfg").exists)
        os.killpg(begun.pid, signal.SIGKILL)
    assert not (clone / ".venv" / "installed").exists()
    assert setup(clone).returncode == 0


def test_a_new_lock_file_is_installed(clone: Path) -> None:
    setup(clone)
    (clone / "requirements.lock").write_text("# something else\n")
    assert "Installing" in setup(clone).stdout
    assert (clone / ".venv" / "installed").read_text() == "# something else\n"


def test_without_the_module_venv_it_says_what_to_install_and_leaves_nothing(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    (tmp_path / "ensurepip.py").write_text("raise ImportError('as on Debian without python3-venv')")
    (tmp_path / "venv.py").write_text("import ensurepip")
    done = setup(clone, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()
