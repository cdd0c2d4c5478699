"""Sends the logs of a process, the libraries' included, to standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog
from eventlet.patcher import original

RLock = original("threading").RLock  # eventlet's stand-in knows one thread only


class Output(logging.StreamHandler[TextIO]):
    """Written to from the hub and from the threads beside it (shared/workers.py), where libraries log too.

    A lock of eventlet's for which both wait is never given back, and every greenlet that logs stands still for good.
    """

    def createLock(self) -> None:
        self.lock = RLock()


def start(*, level: str, as_json: bool) -> None:
    """Send this process's logs, the libraries' included, to standard error."""
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    logging._lock = RLock()  # type: ignore[attr-defined]
    out = Output(sys.stderr)
    out.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)
    for noisy in ("amqp", "kombu", "alembic", "nameko", "pyogrio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
