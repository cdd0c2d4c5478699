"""Findings as a file; see shared/lists/exports.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.inspections import queries
from services.inspections.domain.findings import Finding, Sight
from services.inspections.domain.orders import Order
from services.inspections.schemas import FindingsExportQuery
from shared import clock
from shared.lists import files
from shared.lists.exports import Asked
from shared.lists.files import Format, local

COLUMNS = (
    "id", "state", "category", "severity", "source", "reporter", "description", "facility_code", "linked_code", "kind",
    "district", "street", "grid", "longitude", "latitude", "place_check", "owner", "authority", "maintainer",
    "quantity", "found_at", "reported_at", "confirmed_at", "last_seen_at", "ended_at", "reason", "merged_into",
)  # fmt: skip
OF_ORDER = {"order_number": "number", "order_state": "state", "due_at": "due_at", "supervised": "supervised"}
OF_NOW = ("light", "overdue")
HEADING = (*COLUMNS, *OF_ORDER, *OF_NOW)
IDS = ("id", "merged_into")


def rows(session: Session, asked: Asked) -> Iterator[list[Any]]:
    now, zone = clock.now(), queries.rulebook(session).zone
    for finding, order in queries.every_finding(session, sight=Sight(**asked["sight"]), **_search(asked)):
        yield [local(each, zone) for each in (*_of_finding(finding), *_of_order(order, now))]


def _of_finding(finding: Finding) -> Iterator[Any]:
    for name in COLUMNS:
        value = getattr(finding, name)
        yield str(value) if name in IDS and value else value


def _of_order(order: Order | None, now: datetime) -> list[Any]:
    if order is None:
        return [None] * (len(OF_ORDER) + len(OF_NOW))
    return [*(getattr(order, name) for name in OF_ORDER.values()), *(getattr(order, name)(now) for name in OF_NOW)]


def are_over(session: Session, count: int, asked: Asked) -> bool:
    return queries.are_over(session, count, sight=Sight(**asked["sight"]), **_search(asked))


def write(found: Iterable[list[Any]], asked: Asked, file: BinaryIO) -> None:
    chosen = Format(FindingsExportQuery().load(asked["arguments"])["format"])
    files.write(chosen, "findings", HEADING, found, file)


def _search(asked: Asked) -> dict[str, Any]:
    search: dict[str, Any] = FindingsExportQuery().load(asked["arguments"])
    del search["format"]
    return search
