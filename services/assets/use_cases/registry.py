"""Registering facilities and changing them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Level, NoSuchArea, UnknownDistrict
from services.assets.domain.attributes import check_attributes, known_as
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import (
    Action,
    CodeTaken,
    Facility,
    acted,
    registered,
    revised,
    under_defects,
)
from services.assets.domain.standings import registered_differences, standing_of
from services.assets.queries.codes import former_codes_among, get_facility
from services.assets.queries.named_areas import NAMED, unknown_areas
from services.assets.tables import attribute_kinds, facilities, facility_cells
from services.assets.use_cases import ledger
from services.assets.use_cases.areas import areas_of, fall_into_areas
from services.assets.use_cases.ledger import Kept, kept_of
from shared import clock, errors
from shared.db import insert_new
from shared.field.outlines import PlaceSwapped
from shared.lists.spelling import spelt_code

DONE = {
    Action.PUT_OUT_OF_SERVICE: "put_out_of_service",
    Action.RETURN_TO_SERVICE: "returned_to_service",
    Action.RETIRE: "retired",
}
# What is registered of a facility beside its standing: a past standing keeps what a revision replaced of it.
REGISTERED = ("code", "name", "geometry", "attributes", "installed_on", "retired_on", "source")


def register_facility(session: Session, *, who: str, at: datetime | None = None, **described: Any) -> Facility:
    """Register one facility; raises CodeTaken when there is another of its code, WrongAttribute, PlaceSwapped,
    and UnknownDistrict or NoSuchArea for an area that is none."""
    described["code"] = spelt_code(described["code"])
    check_attributes(the_catalogue().attributes_of(described["kind"]), described.get("attributes") or {})
    _check_way_round(session, described["geometry"])
    _check_areas(session, described, described["geometry"])
    if not register_facilities(session, [described], who=who, at=at):
        raise CodeTaken(f"There is a facility {described['code']!r} already.", field="code")
    return _facility(session, described["code"])


def _check_way_round(session: Session, geometry: geo.Geometry) -> None:
    """Raises PlaceSwapped for what lies in the city's bounds the other way round only, as imports find out too."""
    longitude, latitude = place = geo.anchor(geometry)
    here, there = (longitude, latitude, longitude, latitude), (latitude, longitude, latitude, longitude)
    bounds = the_catalogue().city.bounds
    if geo.overlap(there, bounds) and not geo.overlap(here, bounds) and not areas_of(session, [place])[0]:
        swapped = f"lon {latitude:g}, lat {longitude:g} lies in the city"
        raise PlaceSwapped(f"Longitude and latitude seem swapped: {swapped}.", field="geometry")


def _check_areas(session: Session, named: Mapping[str, Any], geometry: geo.Geometry) -> None:
    """Raises UnknownDistrict and NoSuchArea, with the area that the place lies in."""
    said = {level: [code] for level in NAMED if (code := named.get(level))}
    for level, codes in unknown_areas(session, said).items():
        here = areas_of(session, [geo.anchor(geometry)])[0].get(level)
        detail = f"There is no {level} {min(codes)!r}; the place lies in {f'{here!r}' if here else 'none'}."
        raise (UnknownDistrict if level is Level.DISTRICT else NoSuchArea)(detail, field=level.value)


def register_facilities(
    session: Session,
    drafts: Sequence[Mapping[str, Any]],
    *,
    who: str,
    at: datetime | None = None,
    import_id: str | None = None,
) -> dict[str, int]:
    """Register many at once; those whose code is taken, also as a former one, stay as they are.

    Returns the new ones' ids by code.

    Each draft holds the keyword arguments of ``new_facility``; what a city has had so far is taken as it is, also where
    an attribute does not fit the catalogue. The number of statements is fixed. ``import_id``: of the import that brings
    them, which has one event for all of them.
    """
    now = clock.now()
    drafts = [{**each, "code": spelt_code(each["code"])} for each in drafts]
    taken = former_codes_among(session, [each["code"] for each in drafts])
    drafts = [each for each in drafts if each["code"] not in taken]
    rows = {each["code"]: registered(the_catalogue(), at=at or now, known_at=now, **each) for each in reversed(drafts)}
    return enter(session, rows, who=who, at=at or now, import_id=import_id)


def enter(
    session: Session,
    rows: Mapping[str, dict[str, Any]],
    *,
    who: str,
    at: datetime,
    import_id: str | None = None,
) -> dict[str, int]:
    """Put facilities as ``registered`` gives them into the registry, by code; see register_facilities."""
    fall_into_areas(session, list(rows.values()))
    in_order = [rows[code] for code in sorted(rows)]
    cells = {row["code"]: cells_of(row) for row in in_order}  # refuses what is too large before anything is written
    ids = {row.code: row.id for row in insert_new(session, facilities, in_order, facilities.c.id, facilities.c.code)}
    new = [kept_of({**rows[code], "id": id_}) for code, id_ in ids.items()]
    write_cells(session, {each.id: cells[each.code] for each in new})
    _know_attributes(session, in_order)
    ledger.tally(session, after=new)
    _keep(session, new, "registered", who, at, import_id=import_id)
    return ids


def _facility(session: Session, code: str) -> Facility:
    wanted = select(Facility).where(facilities.c.code == code)
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def cells_of(facility: Mapping[str, Any]) -> set[int]:
    """A single point needs none: it is found by its quadkey."""
    is_point = (facility["west"], facility["south"]) == (facility["east"], facility["north"])
    return set() if is_point else geo.cells_of(facility["geometry"])


def write_cells(session: Session, cells: Mapping[int, set[int]]) -> None:
    """Let facilities, by id, be found by the cells that they touch."""
    rows = [{"facility_id": each, "cell": cell} for each, touched in cells.items() for cell in sorted(touched)]
    insert_new(session, facility_cells, rows)


def load_facility(session: Session, code: str, *, expected: int | None) -> Facility:
    """A facility, locked, to change it. Raises UnknownFacility, and Stale when it is not the revision expected."""
    found = get_facility(session, code, locked=True)
    errors.expect(found.revision, expected)
    return found


def revise_facility(
    session: Session, code: str, *, who: str, expected: int | None, at: datetime | None = None, **changes: Any
) -> Facility:
    """Change what was registered. A new geometry also moves the facility into other areas, unless they are named."""
    facility = load_facility(session, code, expected=expected)
    return amend(session, facility, "changed", changes, who=who, at=at)


def amend(
    session: Session,
    facility: Facility,
    what: str,
    changes: Mapping[str, Any],
    *,
    who: str,
    at: datetime | None,
    **details: Any,
) -> Facility:
    """Change a locked facility; its history tells what was done, how it was before, and ``details``."""
    _check_new_attributes(facility, changes.get("attributes", {}))
    if "geometry" in changes:
        _check_way_round(session, changes["geometry"])
    named = {name: value for name, value in changes.items() if value != getattr(facility, name, None)}
    _check_areas(session, named, changes.get("geometry", facility.geometry))
    revise_facilities(session, {facility.code: changes}, who=who, at=at, what=what, details=details)
    return _facility(session, changes.get("code", facility.code))


def _check_new_attributes(facility: Facility, given: Mapping[str, Any]) -> None:
    """What came with a file and never fitted may stay; what is changed must fit."""
    new = {name: value for name, value in given.items() if value != facility.attributes.get(name)}
    check_attributes(the_catalogue().attributes_of(facility.kind), new)


def revise_facilities(
    session: Session,
    changes: Mapping[str, Mapping[str, Any]],
    *,
    who: str,
    at: datetime | None = None,
    import_id: str | None = None,
    what: str = "changed",
    details: Mapping[str, Any] | None = None,
) -> int:
    """Change what was registered of many; ``changes``: code → new values. Codes that are none are passed over.

    Returns how many were changed. The number of statements is fixed. ``import_id``: of the import that brings it
    about, which has one event for all of them. ``what`` and ``details`` are told in their histories.
    """
    now = clock.now()
    before = _lock_rows(session, changes)
    after = {code: row | revised(row, changes[code], the_catalogue()) for code, row in before.items()}
    _move(session, after, changes)
    broken = ledger.broken_milli(session, [row["id"] for row in after.values()])
    for row in after.values():  # a measure that shrank caps what the defects take
        condition, defective = under_defects(row["condition"], row["measure_milli"], broken.get(row["id"]))
        row |= {"condition": condition.value, "defective_milli": defective}
        row |= _succeeding(row, now)
    _write(session, before, after)
    told = {
        row["code"]: _differences(before[code], row, changes[code]) | dict(details or {}) for code, row in after.items()
    }
    former = {row["code"]: code for code, row in after.items() if row["code"] != code}
    new = [kept_of(row) for row in after.values()]
    _keep(session, new, what, who, at, import_id=import_id, details=told, former=former)
    return len(after)


def _succeeding(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What every change of a facility changes."""
    since = ledger.known_at(row["stands_since"], now)
    return {"revision": row["revision"] + 1, "changed_at": since, "stands_since": since}


def _lock_rows(session: Session, codes: Collection[str]) -> dict[str, dict[str, Any]]:
    """Whole facilities by code, locked in the order of ids."""
    wanted = select(*facilities.c).where(facilities.c.code.in_(codes)).order_by(facilities.c.id)
    return {row.code: dict(row._mapping) for row in session.execute(wanted.with_for_update(key_share=True))}


def _move(session: Session, rows: Mapping[str, dict[str, Any]], changes: Mapping[str, Mapping[str, Any]]) -> None:
    """What has a new geometry falls into other areas, unless they are named, and touches other cells."""
    moved = [row for code, row in rows.items() if "geometry" in changes[code]]
    for code, row in rows.items():
        if "geometry" in changes[code]:
            row |= {level: None for level in Level if level is not Level.STREET and level not in changes[code]}
    fall_into_areas(session, moved)
    session.execute(delete(facility_cells).where(facility_cells.c.facility_id.in_([row["id"] for row in moved])))
    write_cells(session, {row["id"]: cells_of(row) for row in moved})


def _write(
    session: Session,
    before: Mapping[str, dict[str, Any]],
    after: Mapping[str, dict[str, Any]],
) -> None:
    """Let facilities be as in ``after``; what they were is kept."""
    states = {row["id"]: _state(row, after[code]) for code, row in before.items()}
    old, new = ([kept_of(row) for row in rows.values()] for rows in (before, after))
    ledger.succeed(session, old, new, states)
    touched = sorted({name for code, row in before.items() for name in row if row[name] != after[code][name]})
    values = {row["id"]: {name: row[name] for name in touched} for row in after.values()}
    ledger.update_each(session, facilities, facilities.c.id, values)
    if "attributes" in touched:
        _know_attributes(session, after.values())


def _know_attributes(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    known = sorted({(known_as(name), row["kind"]) for row in rows for name in row["attributes"]})
    insert_new(session, attribute_kinds, [{"name": name, "kind": kind} for name, kind in known])


def _state(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was registered and is replaced, beyond the standing."""
    replaced = {name: before[name] for name in REGISTERED if before[name] != after[name]}
    return msgspec.to_builtins(replaced) or None


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], named: Iterable[str]) -> dict[str, Any]:
    """For the life history: old and new value of what was named, and what of the standing followed from it."""
    old, new = kept_of(before), kept_of(after)
    shown = {name: [_shown(before, name), _shown(after, name)] for name in named}
    return {"changes": shown, "standing": registered_differences(standing_of(old), standing_of(new))}


def _shown(row: Mapping[str, Any], name: str) -> Any:
    return row["measure_milli"] / 1000 if name == "measure" else row[name]


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
    facility = load_facility(session, code, expected=expected)
    act_on_facilities(session, [facility.code], action=action, who=who, reason=reason, at=at)
    return _facility(session, facility.code)


def act_on_facilities(
    session: Session,
    codes: Collection[str],
    *,
    action: Action,
    who: str,
    reason: str | None = None,
    at: datetime | None = None,
    import_id: str | None = None,
) -> int:
    """Put many out of service, back, or retire them; returns how many. Raises IllegalChange if one cannot be.

    The number of statements is fixed. ``import_id``: of the import that brings it
    about, which has one event for all of them.
    """
    now = clock.now()
    before = _lock_rows(session, codes)
    broken = ledger.broken_milli(session, [row["id"] for row in before.values()])
    day = the_catalogue().city.day_of(at or now)
    after = {
        code: row
        | acted(row, action, on=day, reason=reason, broken_milli=broken.get(row["id"]))
        | _succeeding(row, now)
        for code, row in before.items()
    }
    _write(session, before, after)
    details = {code: {"reason": reason} for code in after}
    new = [kept_of(row) for row in after.values()]
    _keep(session, new, DONE[action], who, at, import_id=import_id, details=details)
    return len(after)


def _keep(
    session: Session,
    changed: Sequence[Kept],
    what: str,
    who: str,
    at: datetime | None,
    *,
    import_id: str | None = None,
    details: Mapping[str, Mapping[str, Any]] | None = None,
    former: Mapping[str, str] | None = None,
) -> None:
    """Write it into the lives of the facilities, and tell the others. ``former``: by code, the one given up for it.

    ``at``: when it happened; None for when it is known, which is since when each stands so.
    """
    how: dict[str, Any] = {"who": who} | ({"import": import_id} if import_id else {})
    happened = {each.id: min(at or each.stands_since, each.stands_since) for each in changed}
    deeds = [
        ledger.deed(
            each.id, what, happened_at=happened[each.id], now=each.stands_since,
            **how, **(details or {}).get(each.code, {}),
        )
        for each in changed
    ]  # fmt: skip
    ledger.write_history(session, deeds)
    for each in () if import_id else changed:
        ledger.announce(session, each, happened[each.id], former_code=(former or {}).get(each.code))
