"""Child processes that have a name and a log file, and never outlive the process that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

PR_SET_PDEATHSIG = 1
PORTS = range(20_000, 32_000)  # below the range from which the kernel takes the ports of outgoing connections

_libc = ctypes.CDLL(None)
# The kernel sends the death signal when the thread that forked ends. So one thread forks all, and it ends last.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class NotStarted(Exception):
    """A process ended, or did not answer in time, while it was started."""


class Process:
    """One command that can be started, stopped and killed again and again, with the same ports and data.

    ``ready`` says whether it answers. ``user`` is whom it runs as when we are root (servers refuse to run as root).
    ``orphaned`` is the signal it gets when we die. Its output is appended to ``log``.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str],
        user: str | None = None,
        orphaned: signal.Signals = signal.SIGKILL,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.ready = ready
        self.environment = dict(environment)
        self.user = user if os.geteuid() == 0 else None
        self.orphaned = orphaned
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of the last start. Raises NotStarted before the first."""
        if self._child is None:
            raise NotStarted(f"{self.name} was never started.")
        return self._child.pid

    def launch(self, **extra: str) -> None:
        """Start without waiting. ``extra`` is environment for this start only."""
        if not self.running:
            self._child = _spawner.submit(self._spawn, extra).result()

    def start(self, *, timeout_s: float = 60, **extra: str) -> None:
        """Start and wait until it answers. Raises NotStarted with the end of its log."""
        self.launch(**extra)
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = 60) -> None:
        def answers() -> bool:
            if not self.running:
                raise NotStarted(f"{self.name} ended with status {self.status}:\n{self.log_end()}")
            return self.ready()

        wait_until(answers, timeout_s, lambda: f"{self.name} does not answer:\n{self.log_end()}")

    def stop(self, sig: signal.Signals = signal.SIGTERM, *, timeout_s: float = 30) -> None:
        """Ask it to end, and kill it when it does not."""
        if self.running:
            os.kill(self.pid, sig)
            try:
                self.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """``kill -9`` it and everything it started, and wait until all of it is gone."""
        if not self.running:
            return
        family = [self.pid, *descendants(self.pid)]
        for each in family:
            send(each, signal.SIGKILL)
        self.wait(10)
        wait_until(lambda: not any(alive(each) for each in family), 10, lambda: f"{self.name} has survivors")

    def send(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)

    def wait(self, timeout_s: float | None = None) -> int:
        """Its exit status, negative for a signal. Raises subprocess.TimeoutExpired."""
        if self._child is None:
            raise NotStarted(f"{self.name} was never started.")
        return self._child.wait(timeout_s)

    @property
    def status(self) -> int | None:
        return self._child.poll() if self._child else None

    def log_end(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _spawn(self, extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment | dict(extra),
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, self.orphaned),
            )


def descendants(pid: int) -> Iterator[int]:
    """Children, grandchildren and so on. A child that made its own session counts, as PostgreSQL's do."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            yield int(child)
            yield from descendants(int(child))


def send(pid: int, sig: signal.Signals) -> None:
    """To a process that may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, sig)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def halted(pid: int) -> bool:
    """Whether it was stopped where it stands, by SIGSTOP or a debugger."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def wait_until(condition: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    """Look every 20 ms. Raises NotStarted with the complaint."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotStarted(complaint())
        time.sleep(0.02)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    while True:
        port = SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def answers(port: int, greeting: bytes = b"") -> bool:
    """Whether something on this port accepts, and replies to the greeting if there is one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            if not greeting:
                return True
            connection.sendall(greeting)
            return bool(connection.recv(8))
    except OSError:
        return False
