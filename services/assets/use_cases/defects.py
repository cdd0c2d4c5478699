"""Defects on facilities: recorded from confirmed findings, restored or reopened by their work orders.

A finding of what stands already is no second defect: duplicates.py decides.

Both handlers take batches and use a fixed number of statements. Facilities are locked first, in the order of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level
from services.assets.domain.catalogue import Catalogue, the_catalogue
from services.assets.domain.defects import Outcome, outcome_of
from services.assets.domain.facilities import Facility, taken_milli
from services.assets.tables import defects, facilities
from services.assets.use_cases import ledger
from services.assets.use_cases.areas import areas_of
from services.assets.use_cases.duplicates import known_at, set_aside, set_aside_late, twins
from services.assets.use_cases.ledger import Kept
from services.assets.use_cases.linking import Link, link_findings
from services.assets.use_cases.looks import Look, take_looks
from shared import clock, outbox
from shared.db import insert_new
from shared.events.assets import DefectDuplicated, DefectRecorded, DefectRestored
from shared.events.inspections import FindingConfirmed
from shared.events.workorders import OrderClosed, OrderEvent, OrderReopened, OrderVoided
from shared.proofs import Keys

NOT_DONE: Mapping[UUID, datetime] = MappingProxyType({})
LAMP_OUT = "lamp_out"  # its passed check at night is a look at the lamp


def record_defects(session: Session, events: Sequence[FindingConfirmed]) -> None:
    """Make each confirmed finding a defect, once: its id is the defect's key, whatever is heard again."""
    now, catalogue = clock.now(), the_catalogue()
    findings = _unheard(session, events)
    links = link_findings(session, catalogue, findings)
    kept = ledger.lock_facilities(session, facilities.c.id, [link[0] for link in links.values() if link[0]])
    rows = _defect_rows(session, catalogue, findings, links, kept, now)
    known = known_at(session, catalogue, rows)
    done = set_aside_late(catalogue, rows, known, now)
    opening = sorted((row for row in rows if row["open"]), key=lambda row: (row["reported_at"], row["finding_id"]))
    set_aside(catalogue, opening, known, now)
    went_in = {finding_id for (finding_id,) in insert_new(session, defects, rows, defects.c.finding_id)}
    new = [row for row in rows if row["finding_id"] in went_in and row["open"]]
    merged = [row for row in rows if row["finding_id"] in went_in and not row["open"]]
    happened = {each.finding_id: each.happened_at for each in findings}
    stands = ledger.follow_defects(session, kept, _latest(new, happened), now)
    for row in new:
        facility = stands.get(row["facility_id"])
        outbox.record(session, DefectRecorded(**_told(row, facility), happened_at=happened[row["finding_id"]]))
    _write_history(session, "defect_recorded", new, stands, happened, now)
    _tell_merged(session, merged, stands, happened, now, done)


def _unheard(session: Session, events: Sequence[FindingConfirmed]) -> list[FindingConfirmed]:
    """The findings that are no defects yet, each once, in the order of their ids."""
    first = {each.finding_id: each for each in reversed(events)}
    known = set(session.scalars(select(defects.c.finding_id).where(defects.c.finding_id.in_(list(first)))))
    return [first[finding_id] for finding_id in sorted(first.keys() - known)]


def _defect_rows(
    session: Session,
    catalogue: Catalogue,
    findings: Sequence[FindingConfirmed],
    links: Mapping[UUID, Link],
    kept: Mapping[int, Kept],
    now: datetime,
) -> list[dict[str, Any]]:
    unlinked = {
        each.finding_id: (each.longitude, each.latitude)
        for each in findings
        if links[each.finding_id][0] is None and each.longitude is not None and each.latitude is not None
    }
    lies_in = dict(zip(unlinked, areas_of(session, list(unlinked.values())), strict=True))
    return [
        _defect_row(catalogue, each, links[each.finding_id], kept, lies_in.get(each.finding_id, {}), now)
        for each in findings
    ]


def _defect_row(
    catalogue: Catalogue,
    finding: FindingConfirmed,
    link: Link,
    kept: Mapping[int, Kept],
    lies_in: Mapping[str, str],
    now: datetime,
) -> dict[str, Any]:
    category = catalogue.category(finding.category)
    facility_id, linked_by = link
    unit = kept[facility_id].unit if facility_id is not None else "count"
    return {
        "finding_id": finding.finding_id,
        "facility_id": facility_id,
        "linked_by": linked_by,
        "category": finding.category,
        "severity": str(category.severity_of(finding.severity)),
        "source": finding.source,
        "longitude": finding.longitude,
        "latitude": finding.latitude,
        "district": lies_in.get(Level.DISTRICT),
        "grid": lies_in.get(Level.GRID),
        "quantity": finding.quantity,
        "taken_milli": taken_milli(finding.quantity, unit, catalogue),
        "breaks_function": category.breaks_function,
        "open": True,
        "restored_reason": None,
        "restored_at": None,
        "summary": finding.summary,
        "photos": list(finding.photos),
        "reporter_mark": finding.reporter_mark,
        "reported_at": finding.reported_at,
        "confirmed_at": finding.confirmed_at or finding.happened_at,
        "recorded_at": now,
        "duplicate_of": None,
        "found_at": min(finding.found_at or finding.reported_at, now),
        "disposed_at": None,
        "order_revision": 0,
        "revision": 1,
    }


OUR_OWN = {
    "facility_id",
    "taken_milli",
    "restored_reason",
    "restored_at",
    "duplicate_of",
    "found_at",
    "disposed_at",
    "order_revision",
    "district",
    "grid",
}
OF_FACILITY = ("kind", "district", "street", "grid", "owner", "authority", "maintainer")


def _told(row: Mapping[str, Any], facility: Kept | Facility | None) -> dict[str, Any]:
    """What an event says of a defect: the defect, and whatever a work order needs to know of its facility."""
    told = {name: value for name, value in row.items() if name not in OUR_OWN}
    if facility is None:
        return told | {"district": row["district"], "grid": row["grid"]}
    if row["longitude"] is None:  # a lamp looked at by its code
        told |= {"longitude": facility.longitude, "latitude": facility.latitude}
    return told | {"facility_code": facility.code} | {name: getattr(facility, name) for name in OF_FACILITY}


def retell_defects(session: Session, facility: Facility, at: datetime) -> None:
    """Tell of the open defects again, now that their facility has another code."""
    now = clock.now()
    mine = select(*defects.c).where(defects.c.facility_id == facility.id, defects.c.open).with_for_update()
    rows = [dict(row._mapping) for row in session.execute(mine.order_by(defects.c.finding_id))]
    for row in rows:
        row["revision"] += 1
        told = _told(row, facility) | {"recorded_at": now, "happened_at": at}
        outbox.record(session, DefectRecorded(**told))
    changes = {row["finding_id"]: {"revision": row["revision"]} for row in rows}
    ledger.update_each(session, defects, defects.c.finding_id, changes)


def follow_orders(session: Session, events: Sequence[OrderClosed | OrderReopened | OrderVoided]) -> None:
    """Restore or reopen the defects of work orders; the newest revision of an order wins, whatever comes when.

    A passed check of a lamp that was out is also a look at it, once per closing.
    """
    now = clock.now()
    newest = _newest(events)
    owners = {row.finding_id: row.facility_id for row in session.execute(_owners(newest))}
    if missing := newest.keys() - owners.keys():
        raise LookupError(f"No defect of these findings: {sorted(map(str, missing))}.")
    kept = ledger.lock_facilities(session, facilities.c.id, [each for each in owners.values() if each is not None])
    rows = _lock_defects(session, newest)
    moved, merged = _move_defects(session, rows, newest, now)
    happened = {finding_id: each.happened_at for finding_id, each in newest.items()}
    stands = ledger.follow_defects(session, kept, _latest(moved, happened), now)
    _tell_moves(session, moved, stands, happened, now)
    _tell_merged(session, merged, stands, happened, now)
    take_looks(session, stands, _looks_of(events, rows))


def _newest(events: Iterable[OrderEvent]) -> dict[UUID, OrderEvent]:
    """The newest event of each finding's order. Orders that came from alerts concern no defect."""
    newest: dict[UUID, OrderEvent] = {}
    for each in sorted(events, key=lambda event: event.revision):
        if each.finding_id is not None:
            newest[each.finding_id] = each
    return newest


def _owners(newest: Iterable[UUID]) -> Any:
    return select(defects.c.finding_id, defects.c.facility_id).where(defects.c.finding_id.in_(list(newest)))


def _lock_defects(session: Session, newest: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    rows = session.execute(
        select(*defects.c)
        .where(defects.c.finding_id.in_(list(newest)))
        .order_by(defects.c.finding_id)
        .with_for_update()
    )
    return {row.finding_id: dict(row._mapping) for row in rows}


def _move_defects(
    session: Session, rows: Mapping[UUID, dict[str, Any]], newest: Mapping[UUID, OrderEvent], now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Apply what the orders say; returns the defects that opened or closed by it, as they now are, and those that an
    order would have opened where another one stands."""
    followed = [row for key, row in rows.items() if newest[key].revision > row["order_revision"]]
    closing: list[dict[str, Any]] = []
    opening: list[dict[str, Any]] = []
    for row in followed:
        event = newest[row["finding_id"]]
        row["order_revision"] = event.revision
        row["disposed_at"] = _done_at(event, now)
        outcome = outcome_of(type(event).__name__, getattr(event, "reason", None))
        if outcome is not None and outcome.open != row["open"]:
            row |= _moved(row, outcome, event.happened_at)
            (opening if outcome.open else closing).append(row)
    opened = {row["finding_id"] for row in opening}
    _keep_moves(session, [row for row in followed if row["finding_id"] not in opened])  # first: they make room
    catalogue = the_catalogue()
    merged = set_aside(catalogue, opening, known_at(session, catalogue, opening), now)
    _keep_moves(session, opening)
    return [*closing, *(row for row in opening if row["open"])], merged


def _done_at(event: OrderEvent, now: datetime) -> datetime | None:
    """When the work was done; not later than we knew, or a clock that ran ahead once would swallow what is new."""
    done_at = event.disposed_at if isinstance(event, OrderClosed) else None
    return done_at and min(done_at, now)


def _moved(row: Mapping[str, Any], outcome: Outcome, at: datetime) -> dict[str, Any]:
    return {
        "open": outcome.open,
        "restored_reason": outcome.reason,
        "restored_at": None if outcome.open else at,
        "duplicate_of": None,
        "revision": row["revision"] + 1,
    }


def _keep_moves(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    columns = ("open", "restored_reason", "restored_at", "duplicate_of", "disposed_at", "order_revision", "revision")
    changes = {row["finding_id"]: {name: row[name] for name in columns} for row in rows}
    ledger.update_each(session, defects, defects.c.finding_id, changes)


def _tell_moves(
    session: Session,
    moved: Sequence[dict[str, Any]],
    stands: Mapping[int, Kept],
    happened: Mapping[UUID, datetime],
    now: datetime,
) -> None:
    for row in moved:
        told = _told(row, stands.get(row["facility_id"]))
        told |= {"recorded_at": now, "happened_at": happened[row["finding_id"]]}
        event = DefectRecorded(**told) if row["open"] else DefectRestored(**told, reason=row["restored_reason"])
        outbox.record(session, event)
    _write_history(session, "defect_reopened", [row for row in moved if row["open"]], stands, happened, now)
    _write_history(session, "defect_restored", [row for row in moved if not row["open"]], stands, happened, now)


def _tell_merged(
    session: Session,
    merged: Sequence[dict[str, Any]],
    stands: Mapping[int, Kept],
    happened: Mapping[UUID, datetime],
    now: datetime,
    done: Mapping[UUID, datetime] = NOT_DONE,
) -> None:
    """Say of these findings which other one's defect stands for them, and when the work on that was done."""
    for row in merged:
        key = row["finding_id"]
        told = _told(row, stands.get(row["facility_id"])) | {"recorded_at": now, "happened_at": happened[key]}
        event = DefectDuplicated(**told, duplicate_of=row["duplicate_of"], done_at=done.get(key))
        outbox.record(session, event)
    _write_history(session, "defect_merged", merged, stands, happened, now)


def merge_twins(session: Session, ids: Keys) -> None:
    """Close the open defects of these facilities for which another one should stand, and tell of it."""
    now = clock.now()
    kept = ledger.lock_facilities(session, facilities.c.id, ids)
    rows = [{**row, "revision": row["revision"] + 1} for row in twins(session, list(kept), now)]
    _keep_moves(session, rows)
    happened = {row["finding_id"]: now for row in rows}
    stands = ledger.follow_defects(session, kept, _latest(rows, happened), now)
    _tell_moves(session, rows, stands, happened, now)
    _tell_merged(session, rows, stands, happened, now)


def _looks_of(events: Iterable[OrderEvent], rows: Mapping[UUID, dict[str, Any]]) -> list[Look]:
    return [
        Look(f"order/{each.number}/{each.revision}", rows[each.finding_id]["facility_id"], each.happened_at, True)
        for each in events
        if isinstance(each, OrderClosed)
        and each.finding_id is not None
        and rows[each.finding_id]["category"] == LAMP_OUT
        and rows[each.finding_id]["facility_id"] is not None
    ]


def _latest(rows: Iterable[Mapping[str, Any]], happened: Mapping[UUID, datetime]) -> dict[int, datetime]:
    """When the latest of these things happened to each facility."""
    latest: dict[int, datetime] = {}
    for row in rows:
        at = happened[row["finding_id"]]
        latest[row["facility_id"]] = max(at, latest.get(row["facility_id"], at))
    return latest


def _write_history(
    session: Session,
    what: str,
    rows: Iterable[Mapping[str, Any]],
    stands: Mapping[int, Kept],
    happened: Mapping[UUID, datetime],
    now: datetime,
) -> None:
    deeds = [
        ledger.deed(
            row["facility_id"],
            what,
            who="inspections" if what == "defect_recorded" else "workorders",
            happened_at=happened[row["finding_id"]],
            now=ledger.known_at(stands[row["facility_id"]].stands_since, now),
            finding_id=str(row["finding_id"]),
            category=row["category"],
            reason=row["restored_reason"],
        )
        for row in rows
        if row["facility_id"] is not None
    ]
    ledger.write_history(session, deeds)
