"""Coordinate reference systems: any that PROJ knows, and the two shifted datums of Chinese maps, into WGS 84."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.aoi import AreaOfInterest
from pyproj.database import CRSInfo, query_crs_info
from pyproj.enums import PJType
from pyproj.exceptions import CRSError, ProjError

from services.assets.importing.model import Unusable

Floats = npt.NDArray[np.float64]
WGS84 = "EPSG:4326"
GCJ02, BD09, BD09_FAST = "GCJ-02", "BD-09", "BD-09-3000"
LONGEST = 20_000

# Krasovsky 1940, as in the published code of the shift (github.com/googollee/eviltransform, MIT)
SEMI_MAJOR_M = 6_378_245.0
ECCENTRICITY_2 = 0.00669342162296594323
# Published inverses of Baidu's turn differ in one factor, by up to 40 m: π in eviltransform, whose test vectors we hold
# to, π · 3000 / 180 in most other code.
BD_TURN = {BD09: np.pi, BD09_FAST: np.pi * 3000.0 / 180.0}
SHIFTED = (GCJ02, *BD_TURN)

# What a heading or layer name may say about the system its numbers are in.
NAMED = (
    (re.compile(r"gcj|火星|高德|amap", re.I), GCJ02),
    (re.compile(r"bd.?09|百度|baidu", re.I), BD09),
    (re.compile(r"twd.?97|tm2?.?97", re.I), "EPSG:3826"),
    (re.compile(r"twd.?67", re.I), "EPSG:3828"),
    (re.compile(r"etrs.?gk.?25", re.I), "EPSG:3879"),
    (re.compile(r"etrs.?tm35", re.I), "EPSG:3067"),
    (re.compile(r"web.?mercator|3857|900913", re.I), "EPSG:3857"),
    (re.compile(r"\bosgb|british.?national", re.I), "EPSG:27700"),
    (re.compile(r"(?:epsg|srid|crs)\D{0,3}(\d{4,6})", re.I), ""),
    (re.compile(r"cgcs.?2000", re.I), "EPSG:4490"),
    (re.compile(r"wgs.?84", re.I), WGS84),
)


# What would have PROJ open a file that somebody names: of a grid, of definitions.
ELSEWHERE = re.compile(r"(?:grids|init|file|catalog)\s*+=\s*+(?!@?null\b)|parameterfile|^\s*+[/.~]|://", re.I)


def without_system(heading: str) -> str:
    """``X_EPSG3879`` → ``X_``."""
    for pattern, _ in NAMED:
        heading = pattern.sub("", heading)
    return heading


def named_in(text: str) -> str | None:
    """The system that a heading names, if any."""
    for pattern, crs in NAMED:
        if found := pattern.search(text):
            return crs or f"EPSG:{found[1]}"
    return None


def checked(crs: str) -> str:
    """The system under its short name (``EPSG:3879``, ``GCJ-02``), or as it was given. Raises Unusable."""
    text = crs.strip()
    if re.fullmatch(r"gcj.?0?2", text, re.I):
        return GCJ02
    if re.fullmatch(r"bd.?0?9(ll)?(.3000)?", text, re.I):
        return BD09_FAST if text.endswith("3000") else BD09
    code = _crs(f"EPSG:{text}" if text.isdigit() else text).to_epsg()
    return f"EPSG:{code}" if code else text


@lru_cache(maxsize=64)
def _crs(text: str) -> pyproj.CRS:
    try:
        if len(text) > LONGEST or ELSEWHERE.search(text):
            raise CRSError("too long, or it names files")
        return pyproj.CRS.from_user_input(text)
    except CRSError:
        raise Unusable(f"The coordinate system {text[:80]!r} is not known; name it as EPSG:3879, say.") from None


def is_projected(crs: str) -> bool:
    return crs not in SHIFTED and not _crs(crs).is_geographic


@lru_cache(maxsize=64)
def _transformer(crs: str) -> pyproj.Transformer:
    try:
        return pyproj.Transformer.from_crs(_crs(crs), WGS84, always_xy=True)
    except ProjError:
        raise Unusable(f"Nothing is known of how {crs[:80]!r} lies on the earth.") from None


def to_wgs84(x: Floats, y: Floats, crs: str) -> tuple[Floats, Floats]:
    """Longitudes and latitudes; infinite where a place lies outside what the system covers."""
    if crs in (WGS84, "OGC:CRS84") or not len(x):
        return x, y
    if crs in BD_TURN:
        return gcj_to_wgs(*bd_to_gcj(x, y, BD_TURN[crs]))
    if crs == GCJ02:
        return gcj_to_wgs(x, y)
    lon, lat = _transformer(crs).transform(x, y)
    return np.asarray(lon, float), np.asarray(lat, float)


def wgs_to_gcj(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The shift of GCJ-02, which holds within China's box only."""
    outside = (lon < 72.004) | (lon > 137.8347) | (lat < 0.8293) | (lat > 55.8271) | ~np.isfinite(lon + lat)
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    waves = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (waves + 20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y)) * 2.0 / 3.0
    north += (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (waves + 20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x)) * 2.0 / 3.0
    east += (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x)) * 2.0 / 3.0
    radians = np.radians(lat)
    magic = 1.0 - ECCENTRICITY_2 * np.sin(radians) ** 2
    north_deg = np.degrees(north / (SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / magic**1.5))
    east_deg = np.degrees(east / (SEMI_MAJOR_M / np.sqrt(magic) * np.cos(radians)))
    return np.where(outside, lon, lon + east_deg), np.where(outside, lat, lat + north_deg)


def gcj_to_wgs(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The shift undone, by iteration: five rounds leave less than a millimetre."""
    x, y = lon, lat
    for _ in range(5):
        shifted_x, shifted_y = wgs_to_gcj(x, y)
        x, y = x + lon - shifted_x, y + lat - shifted_y
    return x, y


def bd_to_gcj(lon: Floats, lat: Floats, factor: float) -> tuple[Floats, Floats]:
    """Baidu's own turn on top of GCJ-02."""
    x, y = lon - 0.0065, lat - 0.006
    radius = np.hypot(x, y) - 0.00002 * np.sin(y * factor)
    turn = np.arctan2(y, x) - 0.000003 * np.cos(x * factor)
    return radius * np.cos(turn), radius * np.sin(turn)


def reach_of(crs: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north of where a system is meant for, in degrees."""
    area = None if crs in SHIFTED else _crs(crs).area_of_use
    return area.bounds if area else None


def fitting(x: float, y: float, bounds: tuple[float, float, float, float]) -> list[tuple[str, str]]:
    """(EPSG code, name) of projected systems in which this place, either way round, lies within bounds.

    The system that is meant for the smallest area comes first: the city's own before a zone's, a country's, a world's.
    """
    known = query_crs_info("EPSG", PJType.PROJECTED_CRS, AreaOfInterest(*bounds), contains=False)
    by_code = {f"EPSG:{each.code}": each for each in sorted(known, key=_reach)}
    return [(code, each.name) for code, each in by_code.items() if _fits(code, x, y, bounds)]


def _reach(each: CRSInfo) -> tuple[float, int]:
    """The size of the area that a system is meant for, in square degrees; an older one before a younger."""
    if each.area_of_use is None:
        return np.inf, 0
    west, south, east, north = each.area_of_use.bounds
    return ((east - west) % 360) * (north - south), int(each.code)


def _fits(crs: str, x: float, y: float, bounds: tuple[float, float, float, float]) -> bool:
    west, south, east, north = bounds
    try:
        lon, lat = to_wgs84(np.array([x, y]), np.array([y, x]), crs)
    except (Unusable, ProjError):
        return False
    return bool(((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)).any())


def shape_transform(crs: str, swapped: bool) -> Any:
    """A function on (n, 2) arrays for ``shapely.transform``.

    What was reckoned is rounded to a tenth of a millimetre, so that next year's PROJ finds the same places.
    """

    def transform(places: Floats) -> Floats:
        x, y = (places[:, 1], places[:, 0]) if swapped else (places[:, 0], places[:, 1])
        moved = np.column_stack(to_wgs84(x, y, crs))
        return moved if crs == WGS84 else moved.round(9)

    return transform
