"""One thing, one defect: of a category that is single, a facility has one open defect at most, and one order.

Whoever holds the facility's lock decides. The defect that is known the longest stands for what comes after it, and one
that is repaired for what was seen before the work was done, however late that is heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import Catalogue, the_catalogue
from services.assets.tables import defects
from shared.proofs import Keys

Row = dict[str, Any]
Place = tuple[int, str]  # facility, category
Known = Any  # a row of defects
DUPLICATE = "duplicate"
REPAIRED = "repaired"
SKEW = timedelta(minutes=5)  # clocks differ by so much: a new problem must not pass for an old one


def known_at(session: Session, catalogue: Catalogue, rows: Iterable[Row]) -> Sequence[Known]:
    """The defects of the places of these that are open or repaired, first those that are known the longest."""
    asked = [row for row in rows if _is_single(catalogue, row)]
    if not asked:
        return []
    wanted = _known().where(
        defects.c.facility_id.in_({row["facility_id"] for row in asked}),
        defects.c.category.in_({row["category"] for row in asked}),
        defects.c.open | (defects.c.disposed_at.is_not(None) & (defects.c.restored_reason == REPAIRED)),
    )
    return session.execute(wanted).all()


def set_aside(catalogue: Catalogue, rows: Iterable[Row], known: Iterable[Known], now: datetime) -> list[Row]:
    """Close those of these defects whose place is taken, or that come second among themselves; returns them.

    ``rows`` are about to be opened, first those that stand before others; their facilities are locked.
    """
    taken: dict[Place, UUID] = {}
    for each in known:
        if each.open:
            taken.setdefault((each.facility_id, each.category), each.finding_id)
    closed = []
    for row in rows:
        first = taken.setdefault(_place(row), row["finding_id"]) if _is_single(catalogue, row) else row["finding_id"]
        if first != row["finding_id"]:
            row |= closed_for(first, now)
            closed.append(row)
    return closed


def set_aside_late(
    catalogue: Catalogue, rows: Iterable[Row], known: Iterable[Known], now: datetime
) -> dict[UUID, datetime]:
    """Close those of these defects that were seen well before the work on an earlier one of their place was done.

    Returns when it was, by finding. Of several repairs the first one after the sighting is meant. No work was done
    before its defect was found.
    """
    repairs, done = defaultdict(list), {}
    for each in known:
        if not each.open:
            done_at = max(filter(None, (each.disposed_at, each.found_at)))
            repairs[each.facility_id, each.category].append((done_at, each.finding_id))
    for row in rows:
        after = [each for each in repairs.get(_place(row), ()) if each[0] >= row["found_at"] + SKEW]
        if after and _is_single(catalogue, row):
            done[row["finding_id"]], first = min(after)
            row |= closed_for(first, now)
    return done


def closed_for(first: UUID, now: datetime) -> Row:
    return {"open": False, "restored_reason": DUPLICATE, "restored_at": now, "duplicate_of": first}


def _is_single(catalogue: Catalogue, row: Mapping[str, Any]) -> bool:
    return row["facility_id"] is not None and catalogue.category(row["category"]).single


def _place(row: Mapping[str, Any]) -> Place:
    return row["facility_id"], row["category"]


def _known() -> Select[Any]:
    return select(*defects.c).order_by(defects.c.recorded_at, defects.c.finding_id)


def twins(session: Session, ids: Keys, now: datetime) -> list[Row]:
    """The open defects of these facilities for which another one stands, closed for it."""
    catalogue = the_catalogue()
    singles = [slug for slug, each in catalogue.categories.items() if each.single]
    wanted = _known().where(defects.c.open, defects.c.facility_id.in_(ids), defects.c.category.in_(singles))
    first: dict[Place, UUID] = {}
    return [
        {**row._mapping, **closed_for(stands, now)}
        for row in session.execute(wanted)
        if (stands := first.setdefault((row.facility_id, row.category), row.finding_id)) != row.finding_id
    ]
