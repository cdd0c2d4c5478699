"""A process stopped where it stands, as by a host that stalls."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.process import descendants, send


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """With all that it started: its connections stay open, and it says nothing. Any of them may end meanwhile."""
    family = [pid]
    try:
        send(pid, signal.SIGSTOP)  # first, since it could start others
        family += descendants(pid)
        for each in family:
            send(each, signal.SIGSTOP)
        yield
    finally:
        for each in family:
            send(each, signal.SIGCONT)
