"""Registering facilities and changing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Level
from services.assets.domain.attributes import check_attributes
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Action, CodeTaken, Facility, UnknownFacility, new_facility, under_defects
from services.assets.tables import facilities, facility_cells
from services.assets.use_cases import ledger
from services.assets.use_cases.areas import fall_into_areas
from shared import clock, errors
from shared.db import insert_new

DONE = {
    Action.PUT_OUT_OF_SERVICE: "put_out_of_service",
    Action.RETURN_TO_SERVICE: "returned_to_service",
    Action.RETIRE: "retired",
}


def register_facility(session: Session, *, who: str, at: datetime | None = None, **described: Any) -> Facility:
    """Register one facility; raises CodeTaken when there is another of its code, and WrongAttribute."""
    check_attributes(the_catalogue().attributes_of(described["kind"]), described.get("attributes") or {})
    if not (new := register_facilities(session, [described], who=who, at=at)):
        raise CodeTaken(f"There is a facility {described['code']!r} already.", field="code")
    return new[0]


def register_facilities(
    session: Session, drafts: Sequence[Mapping[str, Any]], *, who: str, at: datetime | None = None
) -> list[Facility]:
    """Register many at once; those whose code is taken stay as they are. Returns the new ones.

    Each draft holds the keyword arguments of ``new_facility``; what a city has had so far is taken as it is, also where
    an attribute does not fit the catalogue.
    """
    now = clock.now()
    drawn = [new_facility(the_catalogue(), at=at or now, known_at=now, **draft) for draft in drafts]
    fall_into_areas(session, drawn)
    new = insert_facilities(session, list({each.code: each for each in reversed(drawn)}.values()))
    for each in new:
        ledger.tally(session, before=None, after=each)
        ledger.announce(session, each, at or now, now)
    ledger.write_history(
        session, [ledger.deed(each.id, "registered", who=who, happened_at=at or now, now=now) for each in new]
    )
    return new


def insert_facilities(session: Session, drawn: Sequence[Facility]) -> list[Facility]:
    """Insert those whose code is not taken, and return them, with their ids."""
    columns = [column.name for column in facilities.c if column is not facilities.c.id]
    rows = [{name: getattr(each, name) for name in columns} for each in sorted(drawn, key=lambda each: each.code)]
    cells = {each.code: cells_of(each) for each in drawn}
    ids = {row.code: row.id for row in insert_new(session, facilities, rows, facilities.c.id, facilities.c.code)}
    new = [each for each in drawn if each.code in ids]
    for each in new:
        each.id = ids[each.code]
    _write_cells(session, {ids[each.code]: cells[each.code] for each in new})
    return new


def cells_of(facility: Facility) -> set[int]:
    """A single point needs none: it is found by its quadkey."""
    is_point = (facility.west, facility.south) == (facility.east, facility.north)
    return set() if is_point else geo.cells_of(facility.geometry)


def _write_cells(session: Session, cells: Mapping[int, set[int]]) -> None:
    rows = [{"facility_id": each, "cell": cell} for each, touched in cells.items() for cell in sorted(touched)]
    if rows:
        session.execute(insert(facility_cells), rows)


def load_facility(session: Session, code: str, *, expected: int | None) -> Facility:
    """A facility, locked, to change it. Raises UnknownFacility, and Stale when it is not the revision expected."""
    found = session.scalar(select(Facility).where(facilities.c.code == code).with_for_update(key_share=True))
    if found is None:
        raise UnknownFacility(f"There is no facility {code!r}.")
    errors.expect(found.revision, expected)
    return found


def revise_facility(
    session: Session, code: str, *, who: str, expected: int | None, at: datetime | None = None, **changes: Any
) -> Facility:
    """Change what was registered. A new geometry also moves the facility into other areas, unless they are named."""
    now = clock.now()
    facility = load_facility(session, code, expected=expected)
    _check_new_attributes(facility, changes.get("attributes", {}))
    old = {name: getattr(facility, name) for name in changes}
    with ledger.tallied(session, facility):
        facility.revise(changes, the_catalogue(), at=now)
        if "geometry" in changes:
            _move(session, facility, changes)
        _follow_measure(session, facility)
    difference = {name: [old[name], getattr(facility, name)] for name in changes}
    _keep(session, facility, "changed", who, at or now, now, changes=difference)
    return facility


def _check_new_attributes(facility: Facility, given: Mapping[str, Any]) -> None:
    """What came with a file and never fitted may stay; what is changed must fit."""
    new = {name: value for name, value in given.items() if value != facility.attributes.get(name)}
    check_attributes(the_catalogue().attributes_of(facility.kind), new)


def _move(session: Session, facility: Facility, named: Mapping[str, Any]) -> None:
    leave_areas(facility, named)
    fall_into_areas(session, [facility])
    move_cells(session, [facility])


def leave_areas(facility: Facility, named: Mapping[str, Any]) -> None:
    """Who moves keeps the street, and those areas that are named."""
    for level in Level:
        if level is not Level.STREET and level not in named:
            setattr(facility, level, None)


def move_cells(session: Session, moved: Sequence[Facility]) -> None:
    """Find them by the cells that they touch now."""
    cells = {each.id: cells_of(each) for each in moved if each.id is not None}
    if cells:
        session.execute(delete(facility_cells).where(facility_cells.c.facility_id.in_(cells)))
        _write_cells(session, cells)


def _follow_measure(session: Session, facility: Facility) -> None:
    """A measure that shrank caps what the defects take."""
    broken = _broken(session, facility)
    facility.condition, facility.defective_milli = under_defects(facility.condition, facility.measure_milli, broken)


def _broken(session: Session, facility: Facility) -> int | None:
    assert facility.id is not None
    return ledger.broken_milli(session, [facility.id]).get(facility.id)


def act_on_facility(
    session: Session,
    code: str,
    *,
    action: Action,
    who: str,
    expected: int | None,
    reason: str | None = None,
    at: datetime | None = None,
) -> Facility:
    """Put a facility out of service, back into it, or retire it."""
    now = clock.now()
    facility = load_facility(session, code, expected=expected)
    with ledger.tallied(session, facility):
        day = the_catalogue().city.day_of(at or now)
        facility.act(action, at=now, on=day, reason=reason, broken_milli=_broken(session, facility))
    _keep(session, facility, DONE[action], who, at or now, now, reason=reason)
    return facility


def _keep(
    session: Session, facility: Facility, what: str, who: str, happened_at: datetime, now: datetime, **details: Any
) -> None:
    deed = ledger.deed(facility.id, what, who=who, happened_at=happened_at, now=now, **details)
    ledger.write_history(session, [deed])
    ledger.announce(session, facility, happened_at, now)
