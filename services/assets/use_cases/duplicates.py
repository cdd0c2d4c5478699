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
DUPLICATE = "duplicate"
REPAIRED = "repaired"
SKEW = timedelta(minutes=5)  # clocks differ by so much: a new problem must not pass for an old one


def set_aside(session: Session, catalogue: Catalogue, rows: Iterable[Row], now: datetime) -> list[Row]:
    """Close those of these defects whose place is taken, or that come second among themselves; returns them.

    ``rows`` are about to be opened, first those that stand before others; their facilities are locked.
    """
    asked = [row for row in rows if _is_single(catalogue, row)]
    taken = _standing(session, asked)
    closed = []
    for row in asked:
        first = taken.setdefault((row["facility_id"], row["category"]), row["finding_id"])
        if first != row["finding_id"]:
            row |= closed_for(first, now)
            closed.append(row)
    return closed


def set_aside_late(session: Session, catalogue: Catalogue, rows: Iterable[Row], now: datetime) -> dict[UUID, datetime]:
    """Close those of these defects that were seen well before the work on an earlier one of their place was done.

    Returns when it was, by finding. Of several repairs the first one after the sighting is meant.
    """
    asked = [row for row in rows if _is_single(catalogue, row)]
    repairs, done = _repairs(session, asked), {}
    for row in asked:
        after = [each for each in repairs[row["facility_id"], row["category"]] if each[0] >= row["found_at"] + SKEW]
        if after:
            done[row["finding_id"]], first = min(after)
            row |= closed_for(first, now)
    return done


def _repairs(session: Session, rows: Sequence[Row]) -> Mapping[Place, list[tuple[datetime, UUID]]]:
    """When the repaired defects of these places were done, none before it was found; and their findings."""
    found: dict[Place, list[tuple[datetime, UUID]]] = defaultdict(list)
    if rows:
        wanted = select(*defects.c).where(
            defects.c.facility_id.in_({row["facility_id"] for row in rows}),
            defects.c.category.in_({row["category"] for row in rows}),
            defects.c.disposed_at.is_not(None),
            defects.c.restored_reason == REPAIRED,
        )
        for row in session.execute(wanted):
            done_at = max(filter(None, (row.disposed_at, row.found_at)))
            found[row.facility_id, row.category].append((done_at, row.finding_id))
    return found


def closed_for(first: UUID, now: datetime) -> Row:
    return {"open": False, "restored_reason": DUPLICATE, "restored_at": now, "duplicate_of": first}


def _is_single(catalogue: Catalogue, row: Mapping[str, Any]) -> bool:
    return row["facility_id"] is not None and catalogue.category(row["category"]).single


def _standing(session: Session, rows: Sequence[Row]) -> dict[Place, UUID]:
    """The open defects of these places, of several the one that is known the longest."""
    if not rows:
        return {}
    wanted = _open().where(
        defects.c.facility_id.in_({row["facility_id"] for row in rows}),
        defects.c.category.in_({row["category"] for row in rows}),
    )
    newest_first = reversed(session.execute(wanted).all())
    return {(row.facility_id, row.category): row.finding_id for row in newest_first}


def _open() -> Select[Any]:
    return select(*defects.c).where(defects.c.open).order_by(defects.c.recorded_at, defects.c.finding_id)


def twins(session: Session, ids: Keys, now: datetime) -> list[Row]:
    """The open defects of these facilities for which another one stands, closed for it."""
    catalogue = the_catalogue()
    singles = [slug for slug, each in catalogue.categories.items() if each.single]
    found = session.execute(_open().where(defects.c.facility_id.in_(ids), defects.c.category.in_(singles)))
    first: dict[Place, UUID] = {}
    return [
        {**row._mapping, **closed_for(stands, now)}
        for row in found
        if (stands := first.setdefault((row.facility_id, row.category), row.finding_id)) != row.finding_id
    ]
