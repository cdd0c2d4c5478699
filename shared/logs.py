"""Structured logs: one JSON object a line, or readable lines where a person runs it in a terminal.

What is bound to the context (request id, service, user) stands on every line that the same greenlet writes.
"""

from __future__ import annotations

from typing import Any

import structlog

bound = structlog.contextvars.bound_contextvars
bind = structlog.contextvars.bind_contextvars
context = structlog.contextvars.get_contextvars


def request_id() -> str | None:
    """The id of the request or event that is being handled, if any."""
    found: str | None = context().get("request_id")
    return found


def get(name: str) -> Any:
    return structlog.stdlib.get_logger(name)
