"""Lists by pages: a cursor holds the ordering columns of the last row, so that no page costs more than the first."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import Column, Label, Row, Select, tuple_
from sqlalchemy.orm import Session

from shared.errors import Invalid

Named = Column[Any] | Label[Any]


@dataclass(frozen=True)
class Page:
    """``next`` is the cursor of the following page; None on the last."""

    items: Sequence[Any]
    next: str | None = None


def page(
    session: Session,
    query: Select[Any],
    by: Sequence[Named],
    *,
    limit: int,
    cursor: str | None,
    descending: bool = False,
    make: Callable[[Row[Any]], Any] = lambda row: row,
    order: str = "",
) -> Page:
    """A page of ``query`` in the order of ``by``, columns that the query selects and that are unique together.

    ``make`` turns a row into an item. ``order`` names this order where the list has several. Raises Invalid when the
    cursor is none of ours, or of another order.
    """
    if cursor is not None:
        after = tuple_(*position(cursor, by, order))
        query = query.where(tuple_(*by) < after if descending else tuple_(*by) > after)
    query = query.order_by(*(column.desc() if descending else column for column in by)).limit(limit + 1)
    return cut(session.execute(query).all(), by, limit, make, order)


def cut(rows: Sequence[Any], by: Sequence[Named], limit: int, make: Callable[[Any], Any], order: str = "") -> Page:
    """The page of these rows, of which there is one more than ``limit`` where another page follows."""
    more = len(rows) > limit
    last = [getattr(rows[limit - 1], column.name) for column in by] if more else []
    return Page([make(row) for row in rows[:limit]], _write([*last, *filter(None, [order])]) if more else None)


def _write(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def position(cursor: str, by: Sequence[Named], order: str = "") -> list[Any]:
    """The values of ``by`` after which the page of this cursor begins. Raises Invalid when it is none of ours."""
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list)
        if order and values.pop() != order:
            raise ValueError(order)
        return [_value(value, column) for value, column in zip(values, by, strict=True)]
    except (ValueError, TypeError, IndexError, msgspec.MsgspecError) as wrong:
        raise Invalid("Take the cursor from the page before.", field="cursor") from wrong


def _value(value: Any, column: Named) -> Any:
    """Raises an error of msgspec's, TypeError or ValueError for what no row of ours can hold."""
    kind = column.type.python_type
    if kind is int:
        return msgspec.convert(value, Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)])
    value = msgspec.convert(value, kind)
    if isinstance(value, datetime) and not (value.tzinfo and 1900 <= value.year <= 9000):
        raise ValueError(column.name)
    if isinstance(value, str) and "\0" in value:
        raise ValueError(column.name)
    return value
