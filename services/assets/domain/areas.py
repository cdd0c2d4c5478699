"""Districts and grid cells: the polygons that a city divides itself into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.assets.domain import geometry as geo
from shared.errors import Conflict, Invalid


class Level(StrEnum):
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    LARGE_GRID = "large_grid"
    GRID = "grid"


class AreaTaken(Conflict):
    """Another area of this level has this code already."""

    slug = "area-taken"
    zh = "区域编码已被使用"


class NoPolygon(Invalid):
    """An area is a polygon."""

    slug = "no-polygon"
    zh = "区域必须是多边形"


@dataclass(eq=False, kw_only=True)
class Area:
    """A part of the city; ``parent`` is the code of the larger area that holds it.

    Whoever is responsible for it is a person: name and telephone never leave in an event.
    """

    level: str
    code: str
    name: str
    geometry: dict[str, Any]
    west: float
    south: float
    east: float
    north: float
    recorded_at: datetime
    district: str | None = None
    parent: str | None = None
    responsible_name: str | None = None
    responsible_phone: str | None = None
    revision: int = 1


def new_area(
    *, level: Level, code: str, geometry: dict[str, Any], at: datetime, name: str = "", district: str | None = None
) -> Area:
    """An area as drawn. Raises NoPolygon."""
    if geo.area_m2(geometry) <= 0:
        raise NoPolygon("Give a Polygon or MultiPolygon with an area.", field="geometry")
    west, south, east, north = geo.box_of(geometry)
    return Area(
        level=level.value,
        code=code,
        name=name or code,
        geometry=geometry,
        west=west,
        south=south,
        east=east,
        north=north,
        recorded_at=at,
        district=district,
    )
