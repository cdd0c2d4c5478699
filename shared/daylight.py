"""Whether street lamps should be burning: the lighting hours of a place, from its sun.

Only the sun's height is asked for, never a time of sunset: north of the polar circle there is a season without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from astral import Observer
from astral.sun import elevation

HORIZON_DEG = -0.833  # centre of the sun at sunset: its own radius and the refraction of the air


def is_dark(at: datetime, lighting: Mapping[str, Any]) -> bool:
    """Say whether ``at`` (with offset) lies within the lighting hours.

    ``lighting``: {"longitude", "latitude" (degrees), "timezone", "on_after_sunset_min", "off_before_sunrise_min"}.
    Minutes may be negative: lamps then burn into daylight. In the polar night the lamps burn all day, in the polar
    day never.
    """
    place = Observer(latitude=lighting["latitude"], longitude=lighting["longitude"])
    on = timedelta(minutes=lighting["on_after_sunset_min"])
    off = timedelta(minutes=lighting["off_before_sunrise_min"])
    if not _sun_is_down(place, at):
        return (on < timedelta() and _sun_is_down(place, at - on)) or (
            off < timedelta() and _sun_is_down(place, at + off)
        )
    return _sun_is_down(place, at - max(on, timedelta())) and _sun_is_down(place, at + max(off, timedelta()))


def _sun_is_down(place: Observer, at: datetime) -> bool:
    return elevation(place, at, with_refraction=False) < HORIZON_DEG
