"""Where work runs: an entrypoint's method in a nameko worker, and what keeps the processor busy on a real thread."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import eventlet
from eventlet import tpool
from eventlet.semaphore import Semaphore
from nameko.extensions import Entrypoint

from shared import logs

P = ParamSpec("P")
T = TypeVar("T")
UNTOLD = "<exception str() failed>"


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


class Threads:
    """So many of the process's threads (EVENTLET_THREADPOOL_SIZE), for one kind of work; the rest of it waits."""

    def __init__(self, count: int) -> None:
        self.free = Semaphore(count)

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do long work on a thread, so that the hub serves others meanwhile. Its exceptions come through."""
        with self.free:
            return tpool.execute(work, *args, **kwargs)  # type: ignore[no-any-return]


# Together as many as deploy/runner.py makes: no kind of work waits for the other.
aside = Threads(4)
hashing = Threads(2)


def give_way() -> None:
    """Let others have their turn, between two parts of work that keeps the hub busy; in no transaction."""
    eventlet.sleep(0)


def contained(method: Callable[P, T]) -> Callable[P, T]:
    """Let a worker's method raise nothing that nameko lets pass: whoever waits for it would never hear of it."""

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except BaseException as wrong:  # eventlet's Timeout is no Exception
            words = told(wrong)
            if isinstance(wrong, Exception) and UNTOLD not in words:
                raise
            raise RuntimeError(words) from None

    return run


def told(error: BaseException) -> str:
    """What went wrong, in words. The error's own may fail too."""
    return traceback.format_exception_only(error)[-1].strip()
