"""What of the registry follows from other rows of it: counted anew for some facilities, and mended where it differs.

Sums are proven in figures.py. Here it is the rows: ends of pipes, looks, conditions, standings, cells, areas, lamps and
their nights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level
from services.assets.domain.facilities import under_defects
from services.assets.tables import (
    facilities,
    facility_cells,
    facility_history,
    lamp_night_sums,
    lamp_nights_due,
    lamp_states,
    lamps,
    looks,
    network_changes,
    past_standings,
    pipe_ends,
)
from services.assets.use_cases import defects, duplicates, ledger, metering, network, registry, sweeps
from services.assets.use_cases import lamps as controllers
from services.assets.use_cases.areas import areas_of
from services.assets.use_cases.looks import oldest
from shared import clock
from shared.proofs import Keys, Proof

REPAIR = "recount"  # who mends
LOOK = ("last_look_at", "last_look_source", "last_look_lit")
NO_LOOK = (None, None, None)


def _rows(session: Session, ids: Keys, *names: str) -> Sequence[Row[Any]]:
    return session.execute(select(*facilities.c["id", *names]).where(facilities.c.id.in_(ids))).all()


# --- ends of pipes


def pipes_astray(session: Session, ids: Keys) -> set[int]:
    """Pipes whose ends are not at the nodes where they are drawn."""
    anew = {tuple(each.values()) for each in network.ends_anew(session, ids)}
    stored = session.execute(select(*pipe_ends.c).where(pipe_ends.c.pipe_id.in_(ids)))
    return {pipe for pipe, *_ in anew ^ {tuple(row) for row in stored}}


def join_anew(session: Session, ids: Keys) -> None:
    """As if they had changed: the job follows them, here or in a replica that is at it."""
    session.execute(insert(network_changes), [{"facility_id": each} for each in ids])
    network.join_pipes(session)


def _changes_of_the_network(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(network_changes)) or 0


# --- looks


def lamps_seen_otherwise(session: Session, ids: Keys) -> set[int]:
    """Lamps that are not as their newest look within the window says; one that has just left it is still forgotten."""
    newest, before = _newest_looks(session, ids), oldest(clock.now())
    return {
        row.id
        for row in _rows(session, ids, *LOOK)
        if row[1:] != newest.get(row.id, NO_LOOK) and (row.id in newest or row.last_look_at >= before)
    }


def _newest_looks(session: Session, ids: Keys) -> dict[int, tuple[Any, ...]]:
    counting = looks.c.within_lighting_hours, looks.c.looked_at >= oldest(clock.now())
    rows = select(*looks.c["facility_id", "looked_at", "source", "lit"]).where(looks.c.facility_id.in_(ids), *counting)
    return {row[0]: tuple(row[1:]) for row in session.execute(rows.order_by(looks.c.looked_at, looks.c.source))}


def see_anew(session: Session, ids: Keys) -> None:
    """Let the newest look stand for each lamp."""
    kept = ledger.lock_facilities(session, facilities.c.id, ids)
    newest = _newest_looks(session, ids)
    changes = {each: dict(zip(LOOK, newest.get(each, NO_LOOK), strict=True)) for each in kept}
    ledger.tally(session, before=kept.values(), after=[kept[each]._replace(**new) for each, new in changes.items()])
    ledger.update_each(session, facilities, facilities.c.id, changes)


# --- conditions


def conditions_astray(session: Session, ids: Keys) -> set[int]:
    """Facilities whose condition is not what their open defects make it."""
    broken = ledger.broken_milli(session, ids)
    rows = _rows(session, ids, "condition", "measure_milli", "defective_milli")
    return {
        row.id
        for row in rows
        if under_defects(row.condition, row.measure_milli, broken.get(row.id)) != (row.condition, row.defective_milli)
    }


def follow_defects_anew(session: Session, ids: Keys) -> None:
    """Bring the conditions in line with the open defects, and tell of it."""
    ledger.follow_defects(session, ledger.lock_facilities(session, facilities.c.id, ids), {}, clock.now())


# --- twins


def with_twins(session: Session, ids: Keys) -> set[int]:
    """Facilities on which two defects of a single category stand: a former version let them, or the catalogue did."""
    return {row["facility_id"] for row in duplicates.twins(session, ids, clock.now())}


# --- standings


def lives_astray(session: Session, ids: Keys) -> set[int]:
    """Facilities whose standings do not follow each other, so that a past moment has them twice or not at all."""
    return {
        each
        for each, rows, bounds in _lives(session, ids)
        if not bounds == _straight(rows, bounds[-1]) == [bounds[0], *(row.known_to for row in rows)]
    }


def _lives(session: Session, ids: Keys) -> Iterator[tuple[int, list[Row[Any]], list[datetime]]]:
    """Facility, past standings, and since when each of them and the present one held."""
    since = {row.id: row.stands_since for row in _rows(session, ids, "stands_since")}
    past = select(*past_standings.c["id", "facility_id", "known_from", "known_to"])
    rows = session.execute(past.where(past_standings.c.facility_id.in_(ids)).order_by("facility_id", "id"))
    for facility, some in groupby(rows, key=lambda row: row.facility_id):
        mine = list(some)
        yield facility, mine, [*(row.known_from for row in mine), since[facility]]


def _straight(rows: Sequence[Row[Any]], present: datetime) -> list[datetime]:
    bounds = [rows[0].known_from]
    for row in rows:
        bounds.append(max(bounds[-1], row.known_to))
    return [*bounds[:-1], max(bounds[-1], present)]


def straighten(session: Session, ids: Keys) -> None:
    """Let each standing begin where the one before ends, and none end before it begins."""
    ledger.lock_facilities(session, facilities.c.id, ids)
    for facility, rows, found in list(_lives(session, ids)):
        bounds = _straight(rows, found[-1])
        spans = zip(rows, pairwise(bounds), strict=True)
        new = {row.id: {"known_from": first, "known_to": last} for row, (first, last) in spans}
        ledger.update_each(session, past_standings, past_standings.c.id, new)
        session.execute(update(facilities).where(facilities.c.id == facility).values(stands_since=bounds[-1]))


# --- cells


def cells_astray(session: Session, ids: Keys) -> set[int]:
    """Facilities that are not found by the cells that they touch."""
    stored = session.execute(
        select(*facility_cells.c["facility_id", "cell"]).where(facility_cells.c.facility_id.in_(ids))
    )
    anew = {(each, cell) for each, cells in _cells(session, ids).items() for cell in cells}
    return {facility for facility, _ in anew ^ {tuple(row) for row in stored}}


def _cells(session: Session, ids: Keys) -> dict[int, set[int]]:
    rows = _rows(session, ids, "geometry", "west", "south", "east", "north")
    return {row.id: registry.cells_of(dict(row._mapping)) for row in rows}


def touch_anew(session: Session, ids: Keys) -> None:
    ledger.lock_facilities(session, facilities.c.id, ids)
    session.execute(delete(facility_cells).where(facility_cells.c.facility_id.in_(ids)))
    registry.write_cells(session, _cells(session, ids))


# --- areas


def standing_nowhere(session: Session, ids: Keys) -> set[int]:
    """Facilities without an area that they lie in, though nobody said so. One that they named may be any."""
    return set(_fallen(session, ids))


def _fallen(session: Session, ids: Keys) -> dict[int, dict[str, str]]:
    rows = [row for row in _rows(session, ids, "longitude", "latitude", *Level) if None in row]
    there = areas_of(session, [(row.longitude, row.latitude) for row in rows])
    found = {
        row.id: {level: code for level, code in codes.items() if row._mapping[level] is None}
        for row, codes in zip(rows, there, strict=True)
    }
    return _not_on_purpose(session, {each: levels for each, levels in found.items() if levels})


def _not_on_purpose(session: Session, found: Mapping[int, dict[str, str]]) -> dict[int, dict[str, str]]:
    life = select(*facility_history.c["facility_id", "details"]).where(facility_history.c.facility_id.in_(found))
    said: dict[int, dict[str, Any]] = {each: {} for each in found}
    for facility, details in session.execute(life.order_by(facility_history.c.id)):
        said[facility] |= details.get("changes") or {}
    left = {
        each: {level: code for level, code in levels.items() if level not in said[each]}
        for each, levels in found.items()
    }
    return {each: levels for each, levels in left.items() if levels}


def fall_anew(session: Session, ids: Keys) -> None:
    kept = ledger.lock_facilities(session, facilities.c.id, ids)
    found = _fallen(session, ids)
    moved: dict[int, dict[str, Any]] = {
        each: {level: codes.get(level, getattr(kept[each], level)) for level in Level} for each, codes in found.items()
    }
    sweeps.put(session, [kept[each] for each in moved], moved, tuple(Level), REPAIR)


# --- lamps and their nights


def lamps_behind(session: Session, ids: Keys) -> set[int]:
    """Lamps that do not stand as their newest kept state says."""
    return {row.facility_id for row in _newest_states(session, ids) if row.stands_at is None or row.differs}


def _newest_states(session: Session, ids: Keys) -> Sequence[Row[Any]]:
    states = lamp_states.c
    newest = select(states.facility_id, func.max(states.at_s).label("at_s")).where(states.facility_id.in_(ids))
    last = newest.group_by(states.facility_id).subquery()
    differs = or_(lamps.c.at_s < states.at_s, (lamps.c.at_s == states.at_s) & (lamps.c.lit != states.lit))
    rows: Select[Any] = select(*states, lamps.c.at_s.label("stands_at"), differs.label("differs")).join_from(
        lamp_states, last, (last.c.facility_id == states.facility_id) & (last.c.at_s == states.at_s)
    )
    return session.execute(rows.outerjoin(lamps, lamps.c.facility_id == states.facility_id)).all()


def tell_anew(session: Session, ids: Keys) -> None:
    """Let the newest state stand for each lamp; which controller sent it is not known any more."""
    newest = {(row.facility_id, row.at_s): {**row._mapping, "controller": None} for row in _newest_states(session, ids)}
    session.execute(delete(lamps).where(lamps.c.facility_id.in_([lamp for lamp, _ in newest])))
    controllers.stand_for_lamps(session, newest, clock.now())


def nights_astray(session: Session, ids: Keys) -> set[int]:
    """Lamps of which a night that is over, and whose states are kept, is not as states and plans say."""
    return {lamp for lamp, _ in metering.reckoned_otherwise(session, ids)}


def reckon_anew(session: Session, ids: Keys) -> None:
    rows = [{"facility_id": lamp, "night": night} for lamp, night in metering.reckoned_otherwise(session, ids)]
    if rows:
        session.execute(insert(lamp_nights_due), rows)
    metering.reckon_nights(session)


def sums_of_nights_astray(session: Session, nights: Sequence[date]) -> set[date]:
    """Nights of which more was learned later, and whose sums with that are not those of its lamps."""
    return {night for night in nights if metering.summed_otherwise(session, night)}


def _lamp_nights_due(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(lamp_nights_due)) or 0


KEY = facilities.c.id
PROOFS = (
    Proof("ends of pipes", KEY, pipes_astray, join_anew, _changes_of_the_network),
    Proof("looks at lamps", KEY, lamps_seen_otherwise, see_anew),
    Proof("defects that stand twice", KEY, with_twins, defects.merge_twins),
    Proof("conditions", KEY, conditions_astray, follow_defects_anew),
    Proof("standings", KEY, lives_astray, straighten),
    Proof("cells", KEY, cells_astray, touch_anew),
    Proof("areas", KEY, standing_nowhere, fall_anew, sweeps.waiting_sweeps),
    Proof("lamps", KEY, lamps_behind, tell_anew),
    Proof("nights of lamps", KEY, nights_astray, reckon_anew, _lamp_nights_due),
    Proof("sums of nights", lamp_night_sums.c.night, sums_of_nights_astray, metering.sum_up, _lamp_nights_due),
)
