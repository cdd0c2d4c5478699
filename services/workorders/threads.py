"""Long work of the processor runs on real threads, so that the hub serves the others meanwhile.

The only module of this service that knows eventlet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from eventlet import tpool

P = ParamSpec("P")
T = TypeVar("T")


def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do the work on a thread of its own and wait for it without blocking the hub. Its exceptions come through."""
    done: T = tpool.execute(work, *args, **kwargs)
    return done
