"""The metered light-on rate (计量亮灯率): minutes lit / minutes planned, of what controllers tell of the planned time.

Planned time that nobody knows of is in neither number; it stands beside the rate, as do the lamps that told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlencode

from services.assets.domain.catalogue import Catalogue
from services.assets.domain.rates import By, Rate, RateName
from services.assets.domain.standings import View

# What the sums of a night are kept by, besides the kind.
DIMENSIONS = ("district", "street", "community", "large_grid", "grid", "owner", "authority", "maintainer")

LAMP_NIGHTS = "/api/v1/lamp-nights"
DEFINITION = {
    "en": "Minutes lit / minutes planned by the lighting schedule, of the planned minutes that the lamps' controllers "
    "tell of. A state holds until the next one or as long as the catalogue says; time that is unknown, and lamps "
    "without any data, are in neither number and stand beside it.",
    "zh": "计量亮灯率 = 亮灯分钟数 / 照明时间表计划分钟数，仅计控制器有数据的计划时间；"
    "无数据的时间和整夜无数据的灯不计入分子分母，另行列出。",
}


class NightSum(NamedTuple):
    """Sums over lamp-nights under one key and kind. ``lamps`` counts those in service, ``…_s`` are seconds."""

    key: str
    kind: str
    lamps: int
    lamps_known: int
    lamps_dark: int
    lamps_day_burning: int
    planned_s: int
    known_s: int
    lit_s: int


class Which(StrEnum):
    """Which lamp-nights: those in the denominator, those of them that were dark for a time, those in neither number."""

    KNOWN = "known"
    LESS = "less"
    UNKNOWN = "unknown"


def metered_rates(
    by: By,
    sums: Iterable[NightSum],
    catalogue: Catalogue,
    *,
    last: date,
    window_days: int,
    only: Mapping[str, str | None],
    view: View = View.HAPPENED,
) -> list[Rate]:
    """The metered light-on rate of each kind of lamp under each key, over so many nights up to the last."""
    asked = {name: value for name, value in only.items() if value is not None}
    asked |= {"date": last.isoformat(), "window_days": str(window_days), "view": view.value}
    return [
        Rate(
            rate=RateName.LIGHT_ON_METERED,
            by=by,
            key=each.key,
            kind=each.kind,
            numerator=each.lit_s / 60,
            denominator=each.known_s / 60,
            unit="min",
            definition=DEFINITION,
            window_days=window_days,
            target=catalogue.kinds[each.kind].target_light_on if each.kind in catalogue.kinds else None,
            lamps_unknown=each.lamps - each.lamps_known,
            minutes_unknown=(each.planned_s - each.known_s) / 60,
            facilities=_behind({**asked, **({} if by is By.KIND else {by.value: each.key}), "kind": each.kind}),
        )
        for each in sums
    ]


def _behind(asked: Mapping[str, str]) -> dict[str, str]:
    """The addresses of the lamp-nights of one rate: all that it counts, and those that the numerator lacks in part."""
    address = f"{LAMP_NIGHTS}?{urlencode(asked)}"
    return {"counted": address, "lacking": f"{address}&which={Which.LESS}"}
