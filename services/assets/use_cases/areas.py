"""Areas of all levels: drawing, changing and importing them, and which of them a place lies in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, insert, select, text, update
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Area, AreaTaken, Level, UnknownArea, changed_area, new_area, outline
from services.assets.domain.division import Division, Drawn
from services.assets.queries.named_areas import fault_of_area
from services.assets.tables import area_sweeps, areas
from shared import clock, outbox
from shared.db import insert_new
from shared.errors import expect
from shared.events.assets import AreaChanged

Place = tuple[float, float]
Found = dict[str, str]  # level → code
DRAWING = 1_463_900_504  # the advisory lock between those who draw areas and those who place facilities in them
_levels = itemgetter(*(level.value for level in Level))
LYING = ("geometry", "parent")  # what decides which areas a place lies in


def add_area(session: Session, *, level: Level, who: str = "", **described: Any) -> Area:
    """Draw an area; the facilities that lie in it follow soon (sweeps.py).

    Raises AreaTaken, UnknownDistrict and NoSuchArea.
    """
    _must_exist(session, level, described)
    if not (added := add_areas(session, level=level, drafts=[described], who=who)):
        raise AreaTaken(f"There is a {level} {described['code']!r} already.", field="code")
    return added[0]


def add_areas(session: Session, *, level: Level, drafts: Sequence[Mapping[str, Any]], who: str = "") -> list[Area]:
    """Draw several; those whose code is taken stay as they are. Returns the new ones."""
    now = clock.now()
    given = {each.code: each for each in (new_area(level=level, at=now, **draft) for draft in drafts)}
    _lock_drawing(session)
    went_in = insert_new(session, areas, [vars(each) for each in given.values()], areas.c.code)
    new = [given[code] for (code,) in went_in]
    _follow(session, level, {each.code: None for each in new}, who, now)
    for each in new:
        _tell(session, vars(each), now)
    return new


def change_area(
    session: Session, *, level: Level, code: str, changes: Mapping[str, Any], expected: int | None, who: str
) -> Mapping[str, Any]:
    """Change an area; the facilities follow where its polygon is another.

    Raises UnknownArea, Stale, UnknownDistrict and NoSuchArea.
    """
    _lock_drawing(session)
    its = (areas.c.level == level.value, areas.c.code == code)
    row = session.execute(select(*areas.c).where(*its).with_for_update()).one_or_none()
    if row is None:
        raise UnknownArea(f"There is no {level} {code!r}.")
    expect(row.revision, expected)
    _must_exist(session, level, {name: value for name, value in changes.items() if value != row._mapping[name]})
    return _change(session, dict(row._mapping), changes, who, clock.now())


def _must_exist(session: Session, level: Level, named: Mapping[str, Any]) -> None:
    if fault := fault_of_area(session, level, named):
        raise fault


def _change(
    session: Session, before: Mapping[str, Any], changes: Mapping[str, Any], who: str, now: datetime
) -> Mapping[str, Any]:
    after = changed_area(before, changes, now)
    its = (areas.c.level == before["level"], areas.c.code == before["code"])
    session.execute(update(areas).where(*its).values(after))
    if any(before[name] != after[name] for name in LYING):
        _follow(session, before["level"], {before["code"]: before}, who, now)
    _tell(session, after, now)
    return after


def import_areas(
    session: Session, *, level: Level, drafts: Sequence[Mapping[str, Any]], who: str
) -> dict[str, int]:  # fmt: skip
    """Draw areas, and change those that are there to what the file says: how many created, updated, unchanged.

    What a draft leaves out stays. Running it again changes nothing.
    """
    named = {str(draft["code"]): draft for draft in drafts}
    _lock_drawing(session)
    its = (areas.c.level == level.value, areas.c.code.in_(list(named)))
    there = session.execute(select(*areas.c).where(*its).order_by(areas.c.code).with_for_update()).all()
    counts = Counter({"created": 0, "updated": 0, "unchanged": 0})
    for row in there:
        draft = named.pop(row.code)
        differs = any(row._mapping[name] != value for name, value in draft.items())
        counts["updated" if differs else "unchanged"] += 1
        if differs:
            _change(session, dict(row._mapping), draft, who, clock.now())
    counts["created"] = len(add_areas(session, level=level, drafts=list(named.values()), who=who))
    return dict(counts)


def _lock_drawing(session: Session, *, shared: bool = False) -> None:
    """Whoever places facilities waits for whoever draws, so that none is missed. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        how = "_shared" if shared else ""
        session.execute(text(f"SELECT pg_advisory_xact_lock{how}({DRAWING})"))


def _follow(
    session: Session, level: str, before: Mapping[str, Mapping[str, Any] | None], who: str, now: datetime
) -> None:
    """Note that facilities are to follow; ``before``: by code, the area as it was, None where there was none."""
    kept = {
        code: area and {"parent": area["parent"], "geometry": json.dumps(area["geometry"])}
        for code, area in before.items()
    }
    if kept:
        row = {"level": level, "before": kept, "position": 0, "who": who, "recorded_at": now}
        session.execute(insert(area_sweeps), [row])


def _tell(session: Session, area: Mapping[str, Any], now: datetime) -> None:
    said = ("level", "code", "name", "west", "south", "east", "north", "district", "parent", "revision")
    outbox.record(
        session,
        AreaChanged(
            **{name: area[name] for name in said},
            area_m2=round(geo.area_m2(area["geometry"]), 1),
            outline=outline(area["geometry"]) if area["level"] == Level.DISTRICT else None,
            happened_at=area["recorded_at"],
            recorded_at=now,
        ),
    )


def tell_districts(session: Session) -> None:
    """Say again what the districts are: a reader that is new, or whose copy lacks the outlines, has them then."""
    tell_areas(session, areas.c.level == Level.DISTRICT.value)


def tell_areas(session: Session, *where: ColumnElement[bool]) -> None:
    """Say again what areas are, each as it was changed last."""
    for row in session.execute(select(*areas.c).where(*where).order_by(areas.c.level, areas.c.code)):
        _tell(session, dict(row._mapping), clock.now())


def fall_into_areas(session: Session, facilities: Sequence[dict[str, Any]]) -> None:
    """Give each facility the areas that it lies in, where it names none, and the large grid cell of its grid cell."""
    lost = [each for each in facilities if None in _levels(each)]
    _lock_drawing(session, shared=True)
    found = areas_of(session, [(each["longitude"], each["latitude"]) for each in lost])
    for facility, there in zip(lost, found, strict=True):
        facility.update({level: code for level, code in there.items() if facility[level] is None})


def areas_of(session: Session, places: Sequence[Place]) -> list[Found]:
    """By level, the code of the area that each place lies in; see ``Division``."""
    if not places:
        return []
    longitudes, latitudes = zip(*places, strict=True)
    box = min(longitudes), min(latitudes), max(longitudes), max(latitudes)
    division = Division(drawn(session, box=box))
    found: list[Found] = [{} for _ in places]
    for level, codes in division.of(longitudes, latitudes).items():
        for there, code in zip(found, codes, strict=True):
            if code is not None:
                there[level] = code
    return found


def drawn(session: Session, *, box: geo.Box | None = None, levels: Sequence[str] = tuple(Level)) -> list[Drawn]:
    """The areas of these levels, all or those that a box touches."""
    geometry = cast(areas.c.geometry, Text)
    query = select(areas.c.level, areas.c.code, areas.c.parent, geometry).where(areas.c.level.in_(levels))
    if box is not None:
        west, south, east, north = box
        query = query.where(areas.c.west <= east, areas.c.east >= west, areas.c.south <= north, areas.c.north >= south)
    return [Drawn(*row) for row in session.execute(query)]
