"""How the city is divided: which areas hold a place, for many places at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import shapely

from services.assets.domain.areas import Level
from services.assets.domain.geometry import Box

Codes = list[str | None]  # one for each place
MOST_KEPT = 2_000


class Drawn(NamedTuple):
    """An area, its polygon as GeoJSON text."""

    level: str
    code: str
    parent: str | None
    geometry: str


@lru_cache(maxsize=MOST_KEPT)
def _shape(geometry: str) -> Any:
    """Kept by its text, which cannot be out of date: reading a polygon costs more than asking it."""
    shape = shapely.from_geojson(geometry)
    shapely.prepare(shape)
    return shape


def box_of(area: Drawn) -> Box:
    west, south, east, north = _shape(area.geometry).bounds
    return west, south, east, north


class Division:
    """Areas of any levels. A border belongs to both sides; of several areas that hold a place the first by code counts.

    What holds the anchor of a line or polygon holds all of it.
    """

    def __init__(self, areas: Iterable[Drawn]) -> None:
        self._areas: dict[str, list[Drawn]] = {}
        for area in sorted(areas):
            self._areas.setdefault(area.level, []).append(area)

    def of(self, longitudes: Sequence[float], latitudes: Sequence[float]) -> Mapping[str, Codes]:
        """By level, the code of the area that holds each place. A grid cell also says in which large one it lies."""
        x, y = np.asarray(longitudes), np.asarray(latitudes)
        found = {level: _holders(areas, x, y) for level, areas in self._areas.items()}
        if grid := found.get(Level.GRID):
            larger = {area.code: area.parent for area in self._areas[Level.GRID]}
            drawn = found.get(Level.LARGE_GRID, [None] * len(grid))
            found[Level.LARGE_GRID] = [
                own or (larger[cell] if cell else None) for own, cell in zip(drawn, grid, strict=True)
            ]
        return found


def _holders(areas: Sequence[Drawn], x: Any, y: Any) -> Codes:
    codes = np.full(len(x), None, dtype=object)
    for area in reversed(areas):  # the first by code comes last, over the others
        shape = _shape(area.geometry)
        west, south, east, north = box_of(area)
        near = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
        codes[near[shapely.intersects_xy(shape, x[near], y[near])]] = area.code
    return codes.tolist()
