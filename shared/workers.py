"""Run an entrypoint's method in a nameko worker and wait for what comes of it."""

from __future__ import annotations

from typing import Any

import eventlet
from nameko.extensions import Entrypoint

from shared import logs


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
