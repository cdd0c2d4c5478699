"""Where work runs: an entrypoint's method in a nameko worker, and what keeps the processor busy on a real thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import eventlet
from eventlet import tpool
from nameko.extensions import Entrypoint

from shared import logs

P = ParamSpec("P")
T = TypeVar("T")


def run(entrypoint: Entrypoint, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
    """The method's result. Raises what it raised."""
    done = eventlet.Event()

    def handle_result(_ctx: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        done.send((result, exc_info))
        return result, exc_info

    # A new greenlet begins with no context of its own: what logs are bound to goes along (see metrics.py).
    entrypoint.container.spawn_worker(
        entrypoint, args, kwargs or {}, context_data=logs.context(), handle_result=handle_result
    )
    result, exc_info = done.wait()
    if exc_info:
        raise exc_info[1]
    return result


def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do long work on a thread, so that the hub serves others meanwhile. Its exceptions come through."""
    done: T = tpool.execute(work, *args, **kwargs)
    return done
