"""Letting facilities follow areas that were drawn or changed: a chunk a transaction, in the background.

So drawing a district answers at once, nobody waits for the locks of a million facilities, and a restart goes on where
it stopped. Sweeps run one after another in the order in which areas changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.division import Division, Drawn, box_of
from services.assets.domain.sweeps import levels_of, moves, undone
from services.assets.tables import area_sweeps, facilities
from services.assets.use_cases import ledger
from services.assets.use_cases.areas import drawn
from services.assets.use_cases.ledger import Kept
from shared import clock

Codes = Mapping[str, Any]  # by level, None for none
CHUNK = 2_000


def waiting_sweeps(session: Session) -> int:
    """How many changes of areas facilities have yet to follow."""
    return session.scalar(select(func.count()).select_from(area_sweeps)) or 0


def sweep_areas(session: Session) -> bool:
    """Look at the next facilities of the oldest sweep; False when there is none, or another replica has it."""
    oldest = select(func.min(area_sweeps.c.id)).scalar_subquery()
    query = select(*area_sweeps.c).where(area_sweeps.c.id == oldest)
    sweep = session.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if sweep is None:
        return False
    box, before, after = _divisions(session, sweep)
    rows = session.execute(_next_in(box, sweep)).all()
    if rows:
        _move(session, sweep, rows, before, after)
        session.execute(update(area_sweeps).where(area_sweeps.c.id == sweep.id).values(position=rows[-1].id))
    else:
        session.execute(delete(area_sweeps).where(area_sweeps.c.id == sweep.id))
    return True


def _divisions(session: Session, sweep: Row[Any]) -> tuple[geo.Box, Division, Division]:
    """The box of what changed, and how the city was divided in it before and after; later changes come later."""
    present = drawn(session, levels=levels_of(sweep.level))  # before its changes are listed, so that none is missed
    query = select(area_sweeps.c.before).order_by(area_sweeps.c.id)
    later = session.scalars(query.where(area_sweeps.c.id > sweep.id, area_sweeps.c.level == sweep.level)).all()
    after = undone(present, sweep.level, later)
    before = undone(after, sweep.level, [sweep.before])
    changed = [box_of(each) for each in (*before, *after) if each.level == sweep.level and each.code in sweep.before]
    west, south, east, north = zip(*changed, strict=True)
    box = min(west), min(south), max(east), max(north)
    return box, _within(before, box), _within(after, box)


def _within(areas: Sequence[Drawn], box: geo.Box) -> Division:
    return Division(each for each in areas if geo.overlap(box_of(each), box))


def _next_in(box: geo.Box, sweep: Row[Any]) -> Select[Any]:
    columns = [facilities.c[level] for level in levels_of(sweep.level)]
    keys = or_(*(facilities.c.quadkey.between(first, last) for first, last in geo.quadkey_ranges(box)))
    query = select(*facilities.c["id", "longitude", "latitude"], *columns)
    return query.where(facilities.c.id > sweep.position, keys).order_by(facilities.c.id).limit(CHUNK)


def _move(session: Session, sweep: Row[Any], rows: Sequence[Row[Any]], before: Division, after: Division) -> None:
    levels = levels_of(sweep.level)
    places = [row.longitude for row in rows], [row.latitude for row in rows]
    stand = {level: [row._mapping[level] for row in rows] for level in levels}
    moved = {rows[number].id: new for number, new in moves(sweep.level, before, after, places, stand)}
    stood = {row.id: row._mapping for row in rows if row.id in moved}
    kept = ledger.lock_facilities(session, facilities.c.id, moved)
    seen = (*levels, "longitude", "latitude")  # one that moved meanwhile fell into the areas as they are now
    still = [each for each in kept.values() if all(getattr(each, name) == stood[each.id][name] for name in seen)]
    if still:
        put(session, still, moved, levels, sweep.who)


def put(session: Session, before: Sequence[Kept], moved: Mapping[int, Codes], levels: Sequence[str], who: str) -> None:
    """Let facilities stand in other areas. They say nothing each: ``area_changed`` has told of it."""
    now = clock.now()
    since = {each.id: ledger.known_at(each.stands_since, now) for each in before}
    after = [
        each._replace(**moved[each.id], revision=each.revision + 1, stands_since=since[each.id]) for each in before
    ]
    ledger.succeed(session, before, after)
    columns = (*levels, "revision", "stands_since")
    changes = {
        each.id: {name: getattr(each, name) for name in columns} | {"changed_at": each.stands_since} for each in after
    }
    ledger.update_each(session, facilities, facilities.c.id, changes)
    ledger.write_history(session, [_deed(each, moved[each.id], who, since[each.id]) for each in before])


def _deed(facility: Kept, moved: Codes, who: str, now: datetime) -> dict[str, Any]:
    changes = {level: [getattr(facility, level), code] for level, code in moved.items()}
    standing = dict(moved)
    return ledger.deed(facility.id, "changed", who=who, happened_at=now, now=now, changes=changes, standing=standing)
