"""What time it is. Everything that asks, asks here, so that tests can say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_set: datetime | None = None


def now() -> datetime:
    """The present, aware, in UTC."""
    return _set or datetime.now(UTC)


def set_to(at: datetime | None) -> None:
    """Stop the clock at ``at``; None lets it run again."""
    global _set
    _set = at


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Stop the clock at ``at`` for the length of a block."""
    before = _set
    set_to(at)
    try:
        yield
    finally:
        set_to(before)
