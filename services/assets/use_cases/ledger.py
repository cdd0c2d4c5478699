"""What every change of a facility leaves behind: the sums, how it stood, its life, the event; and its lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Table, bindparam, func, select, update
from sqlalchemy.orm import Session

from services.assets.domain.facilities import Facility, under_defects
from services.assets.domain.standings import standing_of
from services.assets.domain.sums import Part, contributions
from services.assets.tables import defects, facilities, facility_history, past_standings
from services.assets.use_cases.network import note_changes
from shared import outbox, tallies
from shared.db import as_json, insert_new, listed
from shared.events.assets import FacilityChanged

TOUCHING_THE_NETWORK = {"registered", "changed", "moved", "replaced", "renumbered", "retired"}


class Kept(NamedTuple):
    """A facility without its geometry and attributes: what the handlers of batches need."""

    id: int
    code: str
    kind: str
    name: str
    unit: str
    longitude: float
    latitude: float
    quadkey: int
    measure_milli: int
    measure_estimated: bool
    condition: str
    out_of_service_reason: str | None
    defective_milli: int
    district: str | None
    street: str | None
    community: str | None
    large_grid: str | None
    grid: str | None
    owner: str | None
    authority: str | None
    maintainer: str | None
    light_source: str | None
    power_milliwatts: int | None
    last_look_at: datetime | None
    last_look_source: str | None
    last_look_lit: bool | None
    revision: int
    stands_since: datetime


Keepable = Kept | Facility


def kept_of(row: Mapping[str, Any]) -> Kept:
    """A facility of which all fields are at hand."""
    return Kept._make([row[name] for name in Kept._fields])


def known_at(stands_since: datetime, now: datetime) -> datetime:
    """When a change of a facility is known: clocks step back, its life does not, or it would stand twice in between."""
    return max(now, stands_since)


def lock_facilities(session: Session, column: Column[Any], values: Iterable[Any]) -> dict[int, Kept]:
    """The facilities whose ``column`` is one of ``values``, by id, locked in the order of ids: nobody deadlocks.

    The lock leaves room for the key locks of rows that refer to a facility, which are written before it is changed.
    """
    wanted = select(*(facilities.c[name] for name in Kept._fields)).where(column.in_(set(values)))
    rows = session.execute(wanted.order_by(facilities.c.id).with_for_update(key_share=True))
    return {row.id: Kept(*row) for row in rows}


def update_each(session: Session, table: Table, key: Column[Any], changes: Mapping[Any, Mapping[str, Any]]) -> None:
    """Give rows a value each, in one batch. ``changes``: key → the same columns for every key."""
    if not changes:
        return
    rows = [{key.name: each, **values} for each, values in changes.items()]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_update(table, key, tuple(rows[0])), {"rows": as_json(rows).decode()})
        return
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != key.name}
    values = [{f"new_{name}": value for name, value in row.items()} for row in rows]
    statement = update(table).where(key == bindparam(f"new_{key.name}")).values(new)
    session.connection().execute(statement, values)  # the session's own way would load objects first


@cache
def _update(table: Table, key: Column[Any], names: tuple[str, ...]) -> Any:
    """All rows in one JSON parameter: the database reads them faster than thousands of statements."""
    rows = listed(table, names, "rows").subquery()
    values = {name: rows.c[name] for name in names if name != key.name}
    return update(table).where(key == rows.c[key.name]).values(values)


def tally(session: Session, *, before: Iterable[Keepable] = (), after: Iterable[Keepable] = ()) -> None:
    """Take the old contributions of facilities out of the sums, and put the new ones in."""
    parts = [
        Part(sign, standing_of(each), each.last_look_lit, each.quadkey)
        for sign, facilities in ((-1, before), (1, after))
        for each in facilities
    ]
    for name, labels, amount in contributions(parts):
        tallies.add(session, name, labels, amount)


def succeed(
    session: Session,
    before: Sequence[Keepable],
    after: Sequence[Keepable],
    states: Mapping[int, Mapping[str, Any] | None] | None = None,
) -> None:
    """Let facilities stand as in ``after``: the sums follow, and how they stood is kept as known until then.

    ``states``: by id, what else of a facility was replaced. The caller sets ``stands_since`` of ``after`` (known_at).
    """
    tally(session, before=before, after=after)
    pairs = zip(before, after, strict=True)
    rows = [_past(old, new.stands_since, (states or {}).get(old.id or 0)) for old, new in pairs]
    insert_new(session, past_standings, rows)


def _past(facility: Keepable, known_to: datetime, state: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "facility_id": facility.id,
        "known_from": facility.stands_since,
        "known_to": known_to,
        **standing_of(facility)._asdict(),
        "state": state,
    }


def broken_milli(session: Session, ids: Iterable[int]) -> dict[int, int]:
    """What the open defects that break the function take, by facility; without an entry there are none."""
    rows = session.execute(
        select(defects.c.facility_id, func.sum(defects.c.taken_milli))
        .where(defects.c.facility_id.in_(set(ids)), defects.c.open, defects.c.breaks_function)
        .group_by(defects.c.facility_id)
    )
    return {facility_id: int(taken) for facility_id, taken in rows}


def follow_defects(
    session: Session, kept: Mapping[int, Kept], happened: Mapping[int, datetime], now: datetime
) -> dict[int, Kept]:
    """Bring conditions, sums and events in line with the open defects; ``happened`` says when, by facility.

    Returns the facilities as they now stand.
    """
    broken = broken_milli(session, kept)
    stands = {each.id: _under(each, broken.get(each.id), now) for each in kept.values()}
    changed = [each for each in stands.values() if each is not kept[each.id]]
    succeed(session, [kept[each.id] for each in changed], changed)
    for each in changed:
        if each.condition != kept[each.id].condition:
            announce(session, each, happened.get(each.id, now))
    columns = ("condition", "defective_milli", "revision", "stands_since")
    changes = {
        each.id: {name: getattr(each, name) for name in columns} | {"changed_at": each.stands_since} for each in changed
    }
    update_each(session, facilities, facilities.c.id, changes)
    return stands


def _under(kept: Kept, broken: int | None, now: datetime) -> Kept:
    condition, defective = under_defects(kept.condition, kept.measure_milli, broken)
    if (condition, defective) == (kept.condition, kept.defective_milli):
        return kept
    since = known_at(kept.stands_since, now)
    return kept._replace(
        condition=condition.value, defective_milli=defective, revision=kept.revision + 1, stands_since=since
    )


def announce(
    session: Session,
    facility: Kept | Facility,
    happened_at: datetime,
    former_code: str | None = None,
) -> None:
    """Tell the others how a facility stands since now, and which code it has just given up."""
    outbox.record(
        session,
        FacilityChanged(
            revision=facility.revision,
            happened_at=happened_at,
            recorded_at=facility.stands_since,
            code=facility.code,
            kind=facility.kind,
            name=facility.name,
            condition=str(facility.condition),
            longitude=facility.longitude,
            latitude=facility.latitude,
            measure=facility.measure_milli / 1000,
            unit=facility.unit,
            district=facility.district,
            street=facility.street,
            grid=facility.grid,
            owner=facility.owner,
            authority=facility.authority,
            maintainer=facility.maintainer,
            former_code=former_code,
        ),
    )


def deed(
    facility_id: int | None, what: str, *, who: str, happened_at: datetime, now: datetime, **details: Any
) -> dict[str, Any]:
    """A row of the life history."""
    return {
        "facility_id": facility_id,
        "what": what,
        "who": who,
        "details": msgspec.to_builtins(details),
        "happened_at": happened_at,
        "recorded_at": now,
    }


def write_history(session: Session, deeds: Sequence[dict[str, Any]]) -> None:
    """Keep deeds; the drainage network follows those that may have changed it."""
    insert_new(session, facility_history, deeds)
    if touching := {each["facility_id"] for each in deeds if each["what"] in TOUCHING_THE_NETWORK}:
        note_changes(session, touching)
