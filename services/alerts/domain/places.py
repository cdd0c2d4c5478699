"""In which of the city's districts a sensor stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from shared.errors import Invalid
from shared.field.outlines import FAR_M, Outlines, PlaceSwapped

NEAR_M = 30.0  # outlines come simplified: between two of them, and at a quay, the nearest district is meant


class UnknownDistrict(Invalid):
    """The city has no such district."""

    slug = "unknown-district"
    zh = "没有该行政区"


class FarFromDistrict(Invalid):
    """The place is nowhere near the district that is named."""

    slug = "far-from-district"
    zh = "位置不在该行政区内"


@dataclass(eq=False, kw_only=True)
class Area:
    """A copy of a district that assets drew; ``outline`` is a MultiPolygon's coordinates, maybe simplified."""

    code: str
    outline: list[Any] | None
    revision: int


class Districts:
    """The outlines of a city's districts, ready to be asked."""

    def __init__(self, areas: Iterable[Area]) -> None:
        self.outlines = Outlines((area.code, area.outline) for area in areas if area.outline)

    def check_near(self, code: str, longitude: float, latitude: float) -> None:
        """Raises FarFromDistrict where the district is drawn, and the place lies over FAR_M outside of it."""
        away_m = [metres for metres, drawn in self.outlines.away_m(longitude, latitude) if drawn == code]
        if away_m and min(away_m) > FAR_M:
            raise FarFromDistrict(f"The place is {min(away_m):,.0f} m outside the district {code}.", field="district")

    def check_way_round(self, longitude: float, latitude: float) -> None:
        """Raises PlaceSwapped where a place far from all districts lies in one of them the other way round.

        What is far either way may be meant: a river is gauged above the city.
        """
        here, there = self.outlines.away_m(longitude, latitude), self.outlines.away_m(latitude, longitude)
        if here and min(here)[0] > FAR_M and min(there)[0] <= NEAR_M:
            swapped = f"lon {latitude:g}, lat {longitude:g} lies in the district {min(there)[1]}"
            raise PlaceSwapped(f"Longitude and latitude seem swapped: {swapped}.", field="location")

    def at(self, longitude: float, latitude: float) -> str | None:
        """The district that holds a place, of several the first by code; else the nearest one within NEAR_M."""
        away = self.outlines.away_m(longitude, latitude)
        return min((each for each in away if each[0] <= NEAR_M), default=(0, None))[1]


def check_district(code: str | None, known: Collection[str]) -> None:
    """Raises UnknownDistrict for one that the city does not have, once it has told us of any."""
    if code is not None and known and code not in known:
        raise UnknownDistrict(f"There is no district {code}.", field="district")
