"""Boxes and nearness, asked alike of any database: points by ranges of their quadkeys, all else by cells or corners."""

from __future__ import annotations

from sqlalchemy import ColumnElement, CompoundSelect, Select, or_, select, union_all

from services.assets.domain import geometry as geo
from services.assets.tables import extended, facilities, facility_cells

FEW_CELLS = 200  # what is no point is looked for in a larger box by its corners

Box = tuple[float, float, float, float]


def in_box(box: Box) -> list[ColumnElement[bool]]:
    """Facilities whose own box meets this one."""
    return [*_meets(box), facilities.c.id.in_(ids_about(box))]


def _meets(box: Box) -> list[ColumnElement[bool]]:
    west, south, east, north = box
    return [
        facilities.c.west <= east,
        facilities.c.east >= west,
        facilities.c.south <= north,
        facilities.c.north >= south,
    ]


def ids_about(*boxes: Box) -> CompoundSelect[tuple[int]]:
    """Ids of all facilities that meet one of the boxes, and of some nearby."""
    ranges = {each for box in boxes for each in geo.quadkey_ranges(box)}
    by_key = or_(*(facilities.c.quadkey.between(*each) for each in sorted(ranges)))
    return union_all(select(facilities.c.id).where(by_key), *(_extended_about(box) for box in boxes))


def _extended_about(box: Box) -> Select[tuple[int]]:
    west, south, east, north = box
    if (east - west + geo.CELL_DEG) * (north - south + geo.CELL_DEG) > FEW_CELLS * geo.CELL_DEG**2:
        return select(facilities.c.id).where(extended, *_meets(box))
    return select(facility_cells.c.facility_id).where(facility_cells.c.cell.in_(geo.cells_of_box(box)))
