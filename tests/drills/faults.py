"""What can go wrong with a process, a server, a network or a disk, each as a block within which it is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from deploy.stack import Stack
from tests.paused import paused

Fault = Callable[[Stack], AbstractContextManager[None]]


def impossible(reason: str) -> None:
    """Skip a drill that this machine does not allow; in CI, where all are promised, it fails."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def need_root(*programs: str) -> None:
    if os.geteuid() != 0:
        impossible("It takes root.")
    if absent := [each for each in programs if not shutil.which(each)]:
        impossible(f"Not installed: {' '.join(absent)}.")


@contextmanager
def vanished(port: int) -> Iterator[None]:
    """As when a host loses its power, or a cable is pulled: packets go nowhere, and no connection is reset."""
    need_root("iptables")
    rules = [["INPUT", "-i", "lo", "-p", "tcp", end, str(port), "-j", "DROP"] for end in ("--dport", "--sport")]
    try:
        for rule in rules:
            subprocess.run(["iptables", "-I", *rule], check=True)
        yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-D", *rule], check=False)


@contextmanager
def broker_alarm(stack: Stack, cause: str, *, on: str, off: str) -> Iterator[None]:
    """RabbitMQ takes nothing from publishers while it is short of memory or disk."""
    broker = stack.servers.rabbitmq
    broker.ctl(cause, *on.split())
    try:
        yield
    finally:
        broker.ctl(cause, *off.split())


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a file system of this size."""
    need_root("mount")
    folder = Path(tempfile.mkdtemp(prefix="waywarden-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):  # somebody else may take the last of it
        while free := shutil.disk_usage(disk).free:
            os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)
    try:
        yield
    finally:
        filler.unlink()


ALSO_IN_SHORT = ("PostgreSQL vanishes", "RabbitMQ vanishes", "RabbitMQ is short of memory")
FAULTS: dict[str, Fault] = {
    "PostgreSQL is paused": lambda stack: paused(stack.servers.postgres.pid),
    "RabbitMQ is paused": lambda stack: paused(stack.servers.rabbitmq.pid),
    "PostgreSQL vanishes": lambda stack: vanished(stack.servers.postgres.port),
    "RabbitMQ vanishes": lambda stack: vanished(stack.servers.rabbitmq.port),
    "RabbitMQ is short of memory": lambda stack: broker_alarm(
        stack, "set_vm_memory_high_watermark", on="absolute 1", off="0.4"
    ),
    "RabbitMQ is short of disk": lambda stack: broker_alarm(stack, "set_disk_free_limit", on="900000GB", off="64MB"),
}
