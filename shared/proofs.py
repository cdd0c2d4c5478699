"""How rows that follow from others are proven to do so, and mended (``waywarden recount``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column
from sqlalchemy.orm import Session

Keys = Sequence[Any]


class Proof(NamedTuple):
    """``wrong``: of some things, by ``key``, those whose rows are not what they follow from; ``mend`` makes them so.

    ``waiting``: how much a job has yet to follow. Until then nothing can be said.
    """

    name: str
    key: Column[Any]
    wrong: Callable[[Session, Keys], Collection[Any]]
    mend: Callable[[Session, Keys], object]
    waiting: Callable[[Session], int] = lambda session: 0
