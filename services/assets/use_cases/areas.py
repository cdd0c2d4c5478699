"""Districts and grid cells, and which of them a place lies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Area, AreaTaken, Level, new_area
from services.assets.domain.facilities import Facility
from services.assets.tables import areas
from shared import clock
from shared.db import insert_new

Place = tuple[float, float]
Found = tuple[str | None, str | None]  # district, grid cell


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


def fall_into_areas(session: Session, facilities: Sequence[Facility]) -> None:
    """Give each facility that names no district or grid cell the one it lies in."""
    lost = [each for each in facilities if each.district is None or each.grid is None]
    places = [(each.longitude, each.latitude) for each in lost]
    for facility, (district, grid) in zip(lost, areas_of(session, places), strict=True):
        facility.district = facility.district or district
        facility.grid = facility.grid or grid


def areas_of(session: Session, places: Sequence[Place]) -> list[Found]:
    """The codes of the district and the grid cell that each place lies in; the first by code where two overlap."""
    if not places:
        return []
    drawn = session.execute(_around(places)).all()
    return [(_holding(drawn, Level.DISTRICT, place), _holding(drawn, Level.GRID, place)) for place in places]


def _around(places: Sequence[Place]) -> Any:
    box = geo.box_of({"type": "MultiPoint", "coordinates": places})
    return (
        select(*areas.c)
        .where(areas.c.west <= box[2], areas.c.east >= box[0], areas.c.south <= box[3], areas.c.north >= box[1])
        .order_by(areas.c.code)
    )


def _holding(drawn: Sequence[Any], level: Level, place: Place) -> str | None:
    for area in drawn:
        inside = area.west <= place[0] <= area.east and area.south <= place[1] <= area.north
        if area.level == level and inside and geo.contains(area.geometry, *place):
            return str(area.code)
    return None
