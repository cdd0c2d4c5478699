"""Vector tiles of the facilities: counted when far, one by one when near, light at every zoom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from sqlalchemy import ColumnElement, Text, cast, func, not_, select, union_all
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain import tiles
from services.assets.domain.facilities import Condition
from services.assets.domain.tiles import Tile
from services.assets.queries.places import anchored, crossing, meets
from services.assets.tables import extended, facilities
from services.assets.vector_tiles import EXTENT, MARGIN, Feature, Shape, encode, fitted, on_grid, point
from shared import tallies

MOST = 1_500  # single facilities of a tile; where there are more it is counted
STANDING = [each.value for each in Condition if each is not Condition.RETIRED]

Counts = Counter[tuple[int, str, str]]
"""How many facilities there are by cell (its number within the tile), kind and condition."""


def draw_tile(
    session: Session,
    *,
    z: int,
    x: int,
    y: int,
    kind: Sequence[str] | None = None,
    condition: Sequence[str] | None = None,
) -> bytes:
    """A tile as Mapbox vector tile; empty where nothing is. Raises UnknownTile.

    Layer ``facilities`` has single ones (code, kind, condition); layer ``counts`` has points in the middle of cells, 16
    on a side, with ``count``, ``defective``, ``out_of_service`` and the number of each kind under its name.
    """
    tile = Tile(z, x, y)
    asked = condition or STANDING
    if z <= tiles.COUNTED_TO:
        depth = min(tiles.CELLS, tiles.kept_level(z) - z)
        return _counted(_sums(session, tile, depth, kind, asked), depth)
    wanted = [facilities.c.condition.in_(asked), *([facilities.c.kind.in_(kind)] if kind else [])]
    if singles := _singles(session, tile, wanted):
        return encode({"facilities": singles})
    return _counted(_grouped(session, tile, wanted), _depth(tile))


def _counted(counts: Counts, depth: int) -> bytes:
    """A tile of counts in cells ``depth`` levels deeper."""
    cells: dict[int, Counter[str]] = {}
    for (number, kind, condition), count in counts.items():
        cell = cells.setdefault(number, Counter())
        cell.update({"count": count, kind: count})
        if condition != Condition.INTACT:
            cell[condition] += count
    side = EXTENT >> depth
    return encode({"counts": [_bubble(number, shown, side) for number, shown in sorted(cells.items())]})


def _bubble(number: int, shown: Counter[str], side: int) -> Feature:
    column, row = tiles.column_row(number)
    return Feature(number, point((column + 0.5) * side, (row + 0.5) * side), shown)


def _sums(
    session: Session, tile: Tile, depth: int, kinds: Collection[str] | None, conditions: Collection[str]
) -> Counts:
    level, labels = tiles.kept_level(tile.z), tallies.tallies.c.labels
    by_cell = func.substr(labels, 1, tile.z + depth).concat(func.substr(labels, level + 1))
    kept = tallies.read(session, tiles.figure(level), tiles.text_of(tile.first, tile.z), by_cell)
    counts: Counts = Counter()
    for (text, kind, condition), count in kept.items():
        if condition in conditions and (not kinds or kind in kinds):
            counts[int(text[tile.z :] or "0", 4), kind, condition] = count
    return counts


def _depth(tile: Tile) -> int:
    return min(tiles.CELLS, geo.FINEST - tile.z)


def _grouped(session: Session, tile: Tile, wanted: Sequence[ColumnElement[bool]]) -> Counts:
    shift = 2 * (geo.FINEST - tile.z - _depth(tile))
    cell = facilities.c.quadkey.bitwise_rshift(shift)
    rows = session.execute(
        select(cell, facilities.c.kind, facilities.c.condition, func.count())
        .where(facilities.c.quadkey.between(tile.first, tile.last), *wanted)
        .group_by(cell, facilities.c.kind, facilities.c.condition)
    )
    counts: Counts = Counter()
    for number, kind, condition, count in rows:
        counts[number - (tile.first >> shift), kind, condition] += count
    return counts


SHOWN = (facilities.c.id, facilities.c.code, facilities.c.kind, facilities.c.condition)


def _singles(session: Session, tile: Tile, wanted: Sequence[ColumnElement[bool]]) -> list[Feature]:
    """Every facility of the tile, and the points about it; none where the tile has more than MOST, or none at all.

    A point near an edge is in both tiles: what is drawn around it would be cut off there.
    """
    here = facilities.c.quadkey.between(tile.first, tile.last)
    at = facilities.c.longitude, facilities.c.latitude
    points = session.execute(select(*SHOWN, *at).where(here, not_(extended), *wanted).limit(MOST + 1)).all()
    if len(points) > MOST:
        return []
    drawn = select(*SHOWN, cast(facilities.c.geometry, Text).label("geometry")).where(
        facilities.c.id.in_(union_all(select(facilities.c.id).where(here, *wanted), crossing(tile.box))),
        extended,
        *meets(tile.box),
        *wanted,
    )
    lines = session.execute(drawn.limit(MOST + 1 - len(points))).all()
    if len(points) + len(lines) > MOST:
        return []
    around = tile.box_with(MARGIN / EXTENT)
    beyond = select(*SHOWN, *at).where(anchored(around), *meets(around), not_(here), not_(extended), *wanted)
    return [*_points([*points, *session.execute(beyond.limit(MOST))], tile), *_lines(lines, tile)]


def _points(rows: Sequence[Any], tile: Tile) -> Iterator[Feature]:
    places = np.array([(row.longitude, row.latitude) for row in rows]).reshape(-1, 2)
    for row, (x, y) in zip(rows, on_grid(places, tile.z, tile.x, tile.y).tolist(), strict=True):
        yield _feature(row, point(x, y))


def _lines(rows: Sequence[Any], tile: Tile) -> Iterator[Feature]:
    shapes = shapely.from_geojson(np.array([row.geometry for row in rows], dtype=object), on_invalid="ignore")
    placed = shapely.transform(shapes, lambda places: on_grid(places, tile.z, tile.x, tile.y))
    yield from map(_feature, rows, fitted(placed))


def _feature(row: Any, shape: Shape) -> Feature:
    return Feature(row.id, shape, {"code": row.code, "kind": row.kind, "condition": row.condition})
