"""Installs what is needed into ``.venv``: ``python3 deploy/installation.py [dev]``. ``make setup`` calls it.

It runs on any Python 3, before anything is installed. What an interrupted run left is made anew; what a change of
Python, or a move, broke as well.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
WHAT = {"installed": ("requirements.lock", "what running needs"), "installed-dev": ("requirements-dev.lock", "tools")}
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r")
NO_VENV = "\nIt takes the module venv. On Debian and Ubuntu: sudo apt-get install python3-venv. Then run make again."


def main(arguments: list[str]) -> str | None:
    """None, or why it could not be done."""
    wanted = list(WHAT) if arguments == ["dev"] else ["installed"]
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # a second one, started meanwhile, finds it done
        if not all(up_to_date(stamp) for stamp in wanted) or not works():
            make_venv()
            for stamp in wanted:
                install(stamp)
    except KeyboardInterrupt:
        return "\nInterrupted. The next make goes on."
    except subprocess.CalledProcessError as failed:
        return f"\n{' '.join(map(str, failed.cmd[:4]))} … failed, see above. The next make tries again."
    except OSError as wrong:
        return f"{wrong}. The next make tries again."
    finally:
        os.close(folder)
    return None


def up_to_date(stamp: str) -> bool:
    """A stamp holds the lock file that was installed. It is written last and removed first."""
    path = VENV / stamp
    return path.exists() and path.read_bytes() == (ROOT / WHAT[stamp][0]).read_bytes()


def works() -> bool:
    """Whether its Python is still there, and still the one that the packages lie below."""
    if not (VENV / "installed").exists():
        return False
    try:
        return subprocess.run([PYTHON, "-I", "-c", "import pip"], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    if works():
        return
    if sys.version_info < OLDEST:
        raise OSError("Python 3.11 or newer is needed: make PYTHON=python3.11 …")
    if VENV.exists() or VENV.is_symlink():
        shutil.rmtree(VENV)
    if subprocess.run([sys.executable, "-m", "venv", VENV]).returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise OSError(NO_VENV)


def install(stamp: str) -> None:
    lock, what = WHAT[stamp]
    if up_to_date(stamp):
        return
    print(f"Installing {what} into .venv …", flush=True)
    (VENV / stamp).unlink(missing_ok=True)
    text = (ROOT / lock).read_bytes()
    subprocess.run([PYTHON, *PIP, ROOT / lock], check=True)
    draft = VENV / f".{stamp}.{time.time_ns()}"
    draft.write_bytes(text)
    draft.rename(VENV / stamp)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
