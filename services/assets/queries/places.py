"""Boxes and nearness, asked alike of any database: by ranges of quadkeys, and by cells what reaches in from outside."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select, or_, select, union_all

from services.assets.domain import geometry as geo
from services.assets.tables import extended, facilities, facility_cells

TALLEST_DEG = 2.0  # what is no point is looked for in a taller box by its corners

Box = tuple[float, float, float, float]


def in_box(box: Box, narrowed: Sequence[ColumnElement[bool]] = ()) -> list[ColumnElement[bool]]:
    """Facilities whose own box meets this one. ``narrowed``: see ``ids_about``."""
    return [*meets(box), facilities.c.id.in_(ids_about(box, narrowed=narrowed))]


def meets(box: Box, of: FromClause = facilities) -> list[ColumnElement[bool]]:
    """The same, without help from an index. ``of``: facilities, or a part of them."""
    west, south, east, north = box
    return [of.c.west <= east, of.c.east >= west, of.c.south <= north, of.c.north >= south]


def ids_about(*boxes: Box, narrowed: Sequence[ColumnElement[bool]] = ()) -> CompoundSelect[tuple[int]]:
    """Ids of all facilities that meet one of the boxes, and of some nearby.

    ``narrowed``: what else those must fulfil that are found by their quadkey. On kind and condition it costs no look at
    the rows themselves.
    """
    by_key = select(facilities.c.id).where(anchored(*boxes), *narrowed)
    return union_all(by_key, *(crossing(box) for box in boxes))


def anchored(*boxes: Box) -> ColumnElement[bool]:
    """Facilities whose quadkey may lie in one of the boxes."""
    ranges = sorted({each for box in boxes for each in geo.quadkey_ranges(box)})
    return or_(*(facilities.c.quadkey.between(*each) for each in ranges))


def crossing(box: Box) -> Select[tuple[int]]:
    """Ids of what touches the outline of a box and is no point: whatever meets the box and has its anchor elsewhere."""
    if box[3] - box[1] > TALLEST_DEG:
        return select(facilities.c.id).where(extended, *meets(box))
    along = geo.cells_along(box)
    ranges = [each for each in along if each[0] < each[1]]
    single = [first for first, last in along if first == last]
    touched = or_(facility_cells.c.cell.in_(single), *(facility_cells.c.cell.between(*each) for each in ranges))
    return select(facility_cells.c.facility_id).where(touched)
