"""Boxes and nearness, asked alike of any database: points by ranges of their quadkeys, all else by cells or corners."""

from __future__ import annotations

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select, or_, select, union_all

from services.assets.domain import geometry as geo
from services.assets.tables import extended, facilities, facility_cells

MOST_ROWS = 100  # of cells; what is no point is looked for in a taller box by its corners

Box = tuple[float, float, float, float]


def in_box(box: Box) -> list[ColumnElement[bool]]:
    """Facilities whose own box meets this one."""
    return [*meets(box), facilities.c.id.in_(ids_about(box))]


def meets(box: Box, of: FromClause = facilities) -> list[ColumnElement[bool]]:
    """The same, without help from an index. ``of``: facilities, or a part of them."""
    west, south, east, north = box
    return [of.c.west <= east, of.c.east >= west, of.c.south <= north, of.c.north >= south]


def ids_about(*boxes: Box) -> CompoundSelect[tuple[int]]:
    """Ids of all facilities that meet one of the boxes, and of some nearby."""
    ranges = {each for box in boxes for each in geo.quadkey_ranges(box)}
    by_key = or_(*(facilities.c.quadkey.between(*each) for each in sorted(ranges)))
    return union_all(select(facilities.c.id).where(by_key), *(extended_about(box) for box in boxes))


def extended_about(box: Box) -> Select[tuple[int]]:
    """Ids of what is no point and touches a cell of the box, or has its own box meet this one, if it is tall."""
    rows = geo.cell_rows(box)
    if len(rows) > MOST_ROWS:
        return select(facilities.c.id).where(extended, *meets(box))
    touched = or_(*(facility_cells.c.cell.between(*each) for each in rows))
    return select(facility_cells.c.facility_id).where(touched)
