"""Whether a place lies in the city: within the catalogue's bounds, by which imports judge too, or a drawn district."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import Invalid
from shared.field.outlines import FAR_M, Outlines


class FarFromCity(Invalid):
    """The place is nowhere near the city."""

    slug = "far-from-city"
    zh = "位置远离本市"


class PlaceCheck(StrEnum):
    """``unchecked``: it was taken before we had been told where the city lies."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNCHECKED = "unchecked"


@dataclass(eq=False, kw_only=True)
class Area:
    """A copy of a district that assets drew; ``outline`` is a MultiPolygon's coordinates, maybe simplified."""

    code: str
    outline: list[Any] | None
    revision: int


Bounds = Sequence[float]  # west, south, east, north


def lies_in(bounds: Bounds | None, longitude: float, latitude: float) -> bool:
    """Whether a place lies within bounds that are known."""
    return bounds is not None and bounds[0] <= longitude <= bounds[2] and bounds[1] <= latitude <= bounds[3]


class City:
    """Where a city lies, as far as that is known. Bounds alone may still be those of the packaged catalogue."""

    def __init__(self, bounds: Bounds | None, areas: Iterable[Area]) -> None:
        drawn = [(area.code, area.outline) for area in areas if area.outline]
        self.drawn = bool(drawn)
        self.outlines = Outlines([*drawn, *([("", [[_ring(*bounds)]])] if bounds else [])])

    def check(self, longitude: float, latitude: float) -> PlaceCheck:
        """Without a district only a place that lies in the city the other way round is known to be wrong."""
        if self.away_m(longitude, latitude) <= FAR_M:
            return PlaceCheck.INSIDE
        sure = self.drawn or self.away_m(latitude, longitude) <= FAR_M
        return PlaceCheck.OUTSIDE if sure else PlaceCheck.UNCHECKED

    def must_hold(self, longitude: float, latitude: float) -> PlaceCheck:
        """``inside`` or ``unchecked``. Raises FarFromCity, and says so where the numbers stand the wrong way round."""
        found = self.check(longitude, latitude)
        if found is PlaceCheck.OUTSIDE:
            hint = ""
            if self.away_m(latitude, longitude) <= FAR_M:
                hint = f" Longitude and latitude seem swapped: lon {latitude:g}, lat {longitude:g} lies in it."
            away_km = self.away_m(longitude, latitude) / 1_000
            raise FarFromCity(f"The place lies some {away_km:,.0f} km outside the city.{hint}", field="location")
        return found

    def district_of(self, longitude: float, latitude: float) -> str | None:
        """The code of the district that a place lies in, or is nearest to within FAR_M; None where there is none."""
        districts = [each for each in self.outlines.away_m(longitude, latitude) if each[1]]  # the bounds have no code
        away_m, code = min(districts, default=(float("inf"), ""))
        return code if away_m <= FAR_M else None

    def away_m(self, longitude: float, latitude: float) -> float:
        """How far outside the city, 0 within it; infinite while nothing is known of it."""
        return min((metres for metres, _ in self.outlines.away_m(longitude, latitude)), default=float("inf"))


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
