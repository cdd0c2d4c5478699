"""How far a place lies from outlines on the map; short ways only, in metres by the latitude of the first outline."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, radians
from typing import Any

from shapely import affinity
from shapely.geometry import Point, shape

from shared.errors import Invalid

DEGREE_M = 111_195.0
FAR_M = 1_000.0  # outlines come simplified, and what lies beyond an edge may be meant; further away it is a slip


class PlaceSwapped(Invalid):
    """Longitude and latitude stand in each other's place."""

    slug = "swapped-lon-lat"
    zh = "经纬度颠倒"


class Outlines:
    """Outlines by code, each the coordinates of a MultiPolygon in WGS 84, ready to be asked."""

    def __init__(self, outlines: Iterable[tuple[str, Any]]) -> None:
        drawn = [(code, shape({"type": "MultiPolygon", "coordinates": outline})) for code, outline in outlines]
        self.squeeze = cos(radians(drawn[0][1].centroid.y)) if drawn else 1.0  # of a degree of longitude here
        self.drawn = [(code, self._flat(polygon)) for code, polygon in drawn]

    def _flat(self, shape: Any) -> Any:
        return affinity.scale(shape, self.squeeze, 1, origin=(0, 0))

    def away_m(self, longitude: float, latitude: float) -> list[tuple[float, str]]:
        """How far each outline is away, 0 from within it; with its code."""
        place = self._flat(Point(longitude, latitude))
        return [(polygon.distance(place) * DEGREE_M, code) for code, polygon in self.drawn]
