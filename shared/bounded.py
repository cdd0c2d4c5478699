"""Work on a person's bytes in processes of its own, bounded in time and memory.

A C library cannot be stopped on a thread, and shares our memory. A process here does one job after another; a job that
takes too long or too much ends its process, and nobody else's.
"""

from __future__ import annotations

import atexit
import importlib
import resource
import signal
import socket
import struct
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
HEAD = struct.Struct("!I")
WALL = 10  # seconds that pass for each one of work, on a busy machine
MOST_FILES = 64


class Broken(Exception):
    """The work took too much time or memory, or its process crashed."""


class Unfit(ValueError):
    """What the work says of the bytes: they are not what they should be."""


class Bounded:
    """``count`` processes that run functions of a module, each job for ``seconds`` of processor time at most.

    ``memory`` is in bytes, beyond what the process has at its start. One account never keeps all of them busy.
    """

    def __init__(self, module: str, *, count: int, seconds: int, memory: int) -> None:
        self.command = [sys.executable, "-m", "shared.bounded", module, str(seconds), str(memory)]
        self.wait_s = seconds * WALL + 30
        self.count = count
        self.idle: list[Child] = []
        atexit.register(self.close)

    @cached_property
    def _room(self) -> tuple[Any, Any]:
        """For each account, and for all. Imported by who asks: a process starts sooner without."""
        from eventlet.semaphore import Semaphore

        from shared.turns import Turns

        return Turns(max(1, self.count - 1), waiting=32, wait_s=60), Semaphore(self.count)

    def run(self, account: str, function: str, *args: Any) -> Any:
        """What the function returns, in plain types. Raises Unfit, Broken, TooMany."""
        job = msgspec.msgpack.encode([function, args])
        turns, free = self._room
        with turns.take(account), free:
            child = self.idle.pop() if self.idle else Child(self.command)
            try:
                fine, result = msgspec.msgpack.decode(child.ask(job, self.wait_s))
            except (OSError, EOFError, msgspec.MsgspecError) as wrong:
                child.end()
                raise Broken() from wrong
            except BaseException:  # a greenlet that is killed has left the child in the middle
                child.end()
                raise
            self.idle.append(child)
        if not fine:
            raise Unfit(result)
        return result

    def close(self) -> None:
        while self.idle:
            self.idle.pop().end()


class Child:
    """One process, and the socket to talk with it; it ends when its end of the socket does."""

    def __init__(self, command: list[str]) -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(command, stdin=theirs.fileno(), cwd=ROOT, start_new_session=True)

    def ask(self, job: bytes, seconds: float) -> bytes:
        self.socket.settimeout(seconds)
        self.socket.sendall(HEAD.pack(len(job)) + job)
        return receive(self.socket)

    def end(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()


def receive(connection: socket.socket) -> bytes:
    """One message. Raises EOFError."""
    return _exactly(connection, HEAD.unpack(_exactly(connection, HEAD.size))[0])


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main() -> None:
    """Answer jobs until nobody asks any more."""
    name, seconds, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connection, module = socket.socket(fileno=0), importlib.import_module(name)
    connection.setblocking(True)  # eventlet's sockets are made not to
    _bound(memory)
    while True:
        try:
            function, args = msgspec.msgpack.decode(receive(connection))
        except (EOFError, OSError):
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)  # the kernel ends us, in the midst of any library
        signal.alarm(seconds * WALL)
        answer = msgspec.msgpack.encode(_result_of(getattr(module, function), args))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        connection.sendall(HEAD.pack(len(answer)) + answer)


def _result_of(work: Any, args: list[Any]) -> tuple[bool, Any]:
    try:
        return True, work(*args)
    except Unfit as wrong:
        return False, str(wrong)


def _bound(memory: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory
    limits = {resource.RLIMIT_AS: limit, resource.RLIMIT_NOFILE: MOST_FILES}
    for kind, most in (limits | {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}).items():
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    importlib.import_module("shared.bounded").main()  # what the work raises is of that module, not of __main__
