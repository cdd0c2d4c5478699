"""The polygons that a city divides itself into, from districts to grid cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import shapely
from shapely.geometry import mapping, shape

from services.assets.domain import geometry as geo
from shared.errors import Conflict, Invalid, NotFound

WIDEST_DEG = 20.0
MOST_POINTS = 5_000  # of an outline that others are told: some 100 KB
FINEST_DEG = 1e-6  # about 0.1 m


class Level(StrEnum):
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    LARGE_GRID = "large_grid"
    GRID = "grid"


# The levels whose areas may hold those of each, the next one first.
HOLDERS = {
    Level.STREET: (Level.DISTRICT,),
    Level.COMMUNITY: (Level.STREET, Level.DISTRICT),
    Level.LARGE_GRID: (Level.COMMUNITY, Level.STREET, Level.DISTRICT),
    Level.GRID: (Level.LARGE_GRID,),
}


class UnknownDistrict(Invalid):
    """The city has no such district."""

    slug = "unknown-district"
    zh = "没有该行政区"


class NoSuchArea(Invalid):
    """The city has no such area of this level."""

    slug = "no-such-area"
    zh = "没有该区域"


class UnknownArea(NotFound):
    """There is no area with this code."""

    slug = "unknown-area"
    zh = "没有此编码的区域"


class AreaTaken(Conflict):
    """Another area of this level has this code already."""

    slug = "area-taken"
    zh = "区域编码已被使用"


class UnusableAreas(Invalid):
    """The file cannot be read as areas."""

    slug = "unusable-areas"
    zh = "无法将文件读为区域"


class NoPolygon(Invalid):
    """An area is a polygon."""

    slug = "no-polygon"
    zh = "区域必须是多边形"


class CrossesItself(Invalid):
    """The outline of a polygon must not cross itself."""

    slug = "crosses-itself"
    zh = "多边形边界自相交"


@dataclass(eq=False, kw_only=True)
class Area:
    """A part of the city; ``parent`` is the code of the larger area that holds it.

    Whoever is responsible for it is a person: name and telephone never leave in an event, nor in a log.
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
    *, level: Level, code: str, geometry: dict[str, Any], at: datetime, name: str = "", **more: str | None
) -> Area:
    """An area as drawn. ``more``: district, parent, responsible_name, responsible_phone. Raises what ``drawn`` does."""
    return Area(level=level.value, code=code, name=name or code, recorded_at=at, **drawn(geometry), **more)  # type: ignore[arg-type]


def changed_area(area: Mapping[str, Any], changes: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """All fields of an area after a change. Raises what ``drawn`` does."""
    new = {**area, **changes, "revision": area["revision"] + 1, "recorded_at": at}
    new["name"] = new["name"] or new["code"]
    return new | (drawn(changes["geometry"]) if "geometry" in changes else {})


def drawn(geometry: dict[str, Any]) -> dict[str, Any]:
    """A polygon and its box. Raises NoPolygon, CrossesItself and, for one larger than any city, TooLarge."""
    west, south, east, north = geo.box_of(geometry)
    if east - west > WIDEST_DEG or north - south > WIDEST_DEG:
        raise geo.TooLarge(f"The area is over {WIDEST_DEG:g}° wide or high.", field="geometry")
    if geo.area_m2(geometry) <= 0:
        raise NoPolygon("Give a Polygon or MultiPolygon with an area.", field="geometry")
    if not (polygon := shape(geometry)).is_valid:
        raise CrossesItself(f"{shapely.is_valid_reason(polygon)}.", field="geometry")
    return {"geometry": geometry, "west": west, "south": south, "east": east, "north": north}


def outline(geometry: dict[str, Any]) -> list[Any]:
    """A polygon as the coordinates of a MultiPolygon; one of very many points is simplified as far as it must be."""
    polygon, tolerance = shape(geometry), FINEST_DEG
    while shapely.get_num_coordinates(polygon) > MOST_POINTS and tolerance < WIDEST_DEG:
        polygon, tolerance = shapely.simplify(shape(geometry), tolerance), tolerance * 2
    coordinates = mapping(polygon)["coordinates"]
    return [coordinates] if polygon.geom_type == "Polygon" else list(coordinates)
