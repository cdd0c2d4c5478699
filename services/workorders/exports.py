"""Work orders as a file; see shared/lists/exports.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.workorders import queries
from services.workorders.domain.orders import Order, Sight
from services.workorders.schemas import OrderExportQuery
from shared import clock
from shared.lists import files
from shared.lists.exports import Asked
from shared.lists.files import Format, local

COLUMNS = (
    "number", "state", "light", "overdue", "category", "group", "severity", "source", "summary", "quantity",
    "facility_code", "kind", "district", "district_name", "street", "grid", "longitude", "latitude", "owner",
    "authority", "maintainer", "maintainer_name", "registered_at", "due_at", "crew", "supervised", "rework_count",
    "disposed_at", "quantity_done", "note", "seen_at", "closed_at", "void_reason", "finding_id", "alert_id",
)  # fmt: skip
OF_NOW = ("light", "overdue")


def rows(session: Session, asked: Asked) -> Iterator[list[Any]]:
    search, now = _search(asked), clock.now()
    zone = queries.present_catalogue(session).zone
    for order in queries.every_order(session, sight=Sight(**asked["sight"]), **search):
        yield [_cell(order, name, now, zone) for name in COLUMNS]


def _cell(order: Order, name: str, now: datetime, zone: tzinfo) -> Any:
    value = getattr(order, name)(now) if name in OF_NOW else getattr(order, name)
    return str(value) if name.endswith("_id") and value is not None else local(value, zone)


def are_over(session: Session, count: int, asked: Asked) -> bool:
    return queries.are_over(session, count, sight=Sight(**asked["sight"]), **_search(asked))


def write(found: Iterable[list[Any]], asked: Asked, file: BinaryIO) -> None:
    chosen = Format(OrderExportQuery().load(asked["arguments"])["format"])
    files.write(chosen, "work orders", COLUMNS, found, file)


def _search(asked: Asked) -> dict[str, Any]:
    search: dict[str, Any] = OrderExportQuery().load(asked["arguments"])
    del search["format"]
    return search
