"""Exports of the registry: what a search finds, in any of its formats; see shared/lists/exports.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from services.assets import queries
from services.assets.exporting import WRITE, Format, Source
from services.assets.schemas.exports import ExportQuery
from shared.lists.exports import Asked
from shared.lists.files import local


def rows(session: Session, asked: Asked) -> Iterator[Source]:
    """Facilities by their columns, times as the city's clocks show them."""
    zone = ZoneInfo(asked["zone"])
    for each in queries.every_facility(session, **_search(asked)):
        yield {name: local(value, zone) for name, value in each.items()}


def are_over(session: Session, count: int, asked: Asked) -> bool:
    return queries.are_over(session, count, **_search(asked))


def write(found: Iterable[Source], asked: Asked, file: BinaryIO) -> None:
    WRITE[Format(ExportQuery().load(asked["arguments"])["format"])](found, file)


def _search(asked: Asked) -> dict[str, Any]:
    search: dict[str, Any] = ExportQuery().load(asked["arguments"])
    del search["format"]
    return search
