"""Districts and grid cells, and which of them a place lies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from shapely import STRtree, points
from shapely.geometry import shape
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Area, AreaTaken, Level, new_area
from services.assets.tables import areas
from shared import clock
from shared.db import insert_new

Place = tuple[float, float]
Found = dict[str, str]  # level → code


def add_area(session: Session, *, level: Level, **described: Any) -> Area:
    """Draw a district or a grid cell. Facilities registered from now on fall into it. Raises AreaTaken."""
    if not (added := add_areas(session, level=level, drafts=[described])):
        raise AreaTaken(f"There is a {level} {described['code']!r} already.", field="code")
    return added[0]


def add_areas(session: Session, *, level: Level, drafts: Sequence[Mapping[str, Any]]) -> list[Area]:
    """Draw several; those whose code is taken stay as they are. Returns the new ones."""
    now = clock.now()
    new = {each.code: each for each in (new_area(level=level, at=now, **draft) for draft in drafts)}
    went_in = insert_new(session, areas, [vars(each) for each in new.values()], areas.c.code)
    return [new[code] for (code,) in went_in]


def fall_into_areas(session: Session, facilities: Sequence[dict[str, Any]]) -> None:
    """Give each facility the areas that it lies in, where it names none, and the large grid cell of its grid cell."""
    lost = [each for each in facilities if any(each[level] is None for level in Level)]
    found = areas_of(session, [(each["longitude"], each["latitude"]) for each in lost])
    for facility, there in zip(lost, found, strict=True):
        facility.update({level: code for level, code in there.items() if facility[level] is None})


def areas_of(session: Session, places: Sequence[Place]) -> list[Found]:
    """By level, the code of the area that each place lies in; the first by code where two overlap."""
    if not places:
        return []
    drawn = session.execute(_around(places)).all()
    found: list[Found] = [{} for _ in places]
    for number, area in zip(*_pairs(places, drawn), strict=True):
        there = found[number]
        there.setdefault(drawn[area].level, drawn[area].code)
        if drawn[area].level == Level.GRID and drawn[area].parent:
            there.setdefault(Level.LARGE_GRID, drawn[area].parent)
    return found


def _pairs(places: Sequence[Place], drawn: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Numbers of places, and beside each the number of an area that holds it; areas in their order."""
    tree = STRtree([shape(each.geometry) for each in drawn])
    at, area = tree.query(points(places), predicate="intersects")
    order = np.lexsort((area, at))
    return at[order].tolist(), area[order].tolist()


def _around(places: Sequence[Place]) -> Any:
    box = geo.box_of({"type": "MultiPoint", "coordinates": places})
    return (
        select(*areas.c)
        .where(areas.c.west <= box[2], areas.c.east >= box[0], areas.c.south <= box[3], areas.c.north >= box[1])
        .order_by(areas.c.code)
    )
