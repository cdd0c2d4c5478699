"""What every change of a facility leaves behind: the sums of the rates, its life history, the event; and its lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from services.assets.domain import tiles
from services.assets.domain.facilities import Facility, under_defects
from services.assets.domain.rates import contributions
from services.assets.tables import defects, facilities, facility_history
from shared import outbox, tallies
from shared.events.assets import FacilityChanged


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
    condition: str
    defective_milli: int
    district: str | None
    street: str | None
    grid: str | None
    owner: str | None
    authority: str | None
    maintainer: str | None
    last_look_at: datetime | None
    last_look_source: str | None
    last_look_lit: bool | None
    revision: int


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
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in next(iter(changes.values()))}
    rows = [
        {"its_key": each, **{f"new_{name}": value for name, value in values.items()}}
        for each, values in changes.items()
    ]
    statement = update(table).where(key == bindparam("its_key")).values(new)
    session.connection().execute(statement, rows)  # the session's own way would load objects first


def tally(session: Session, *, before: Kept | Facility | None, after: Kept | Facility | None) -> None:
    """Take the old contributions of a facility out of the sums, and put the new ones in."""
    for sign, facility in ((-1, before), (1, after)):
        for figure, labels, amount in every_contribution(facility) if facility is not None else ():
            tallies.add(session, figure, labels, sign * amount)


def every_contribution(facility: Kept | Facility) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """What a facility adds to the sums of the rates and of the map."""
    yield from contributions(facility)
    yield from tiles.contributions(facility)


@contextmanager
def tallied(session: Session, facility: Facility) -> Iterator[None]:
    """Keep the sums right over a change of a facility inside the block."""
    tally(session, before=facility, after=None)
    yield
    tally(session, before=None, after=facility)


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
    stands = {each.id: _under(each, broken.get(each.id)) for each in kept.values()}
    changed = [each for each in stands.values() if each is not kept[each.id]]
    for each in changed:
        tally(session, before=kept[each.id], after=each)
        if each.condition != kept[each.id].condition:
            announce(session, each, happened.get(each.id, now), now)
    columns = ("condition", "defective_milli", "revision")
    update_each(
        session,
        facilities,
        facilities.c.id,
        {each.id: {name: getattr(each, name) for name in columns} | {"changed_at": now} for each in changed},
    )
    return stands


def _under(kept: Kept, broken: int | None) -> Kept:
    condition, defective = under_defects(kept.condition, kept.measure_milli, broken)
    if (condition, defective) == (kept.condition, kept.defective_milli):
        return kept
    return kept._replace(condition=condition.value, defective_milli=defective, revision=kept.revision + 1)


def announce(session: Session, facility: Kept | Facility, happened_at: datetime, now: datetime) -> None:
    """Tell the others how a facility stands."""
    outbox.record(
        session,
        FacilityChanged(
            revision=facility.revision,
            happened_at=happened_at,
            recorded_at=now,
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
        "details": details,
        "happened_at": happened_at,
        "recorded_at": now,
    }


def write_history(session: Session, deeds: Sequence[dict[str, Any]]) -> None:
    if deeds:
        session.execute(insert(facility_history), deeds)
