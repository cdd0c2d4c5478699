"""Lighting hours of a place."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from astral import Observer
from astral.sun import sunrise, sunset

from shared.daylight import is_dark

HELSINKI = {"longitude": 24.945, "latitude": 60.172, "timezone": "Europe/Helsinki"}
ZONE = ZoneInfo("Europe/Helsinki")
OBSERVER = Observer(60.172, 24.945)


def lighting(on: float = 15, off: float = 15, **place: Any) -> dict[str, Any]:
    return {**HELSINKI, **place, "on_after_sunset_min": on, "off_before_sunrise_min": off}


@pytest.mark.parametrize("day", [date(2026, month, 15) for month in range(1, 13)])
@pytest.mark.parametrize(("on", "off"), [(15, 15), (0, 0), (-20, -20), (40, -10)])
def test_lamps_burn_from_sunset_plus_to_sunrise_minus_the_offsets(day: date, on: int, off: int) -> None:
    begin = sunset(OBSERVER, day, tzinfo=ZONE) + timedelta(minutes=on)
    end = sunrise(OBSERVER, day + timedelta(days=1), tzinfo=ZONE) - timedelta(minutes=off)
    a_little = timedelta(minutes=3)
    seen = [
        is_dark(at, lighting(on, off)) for at in (begin - a_little, begin + a_little, end - a_little, end + a_little)
    ]
    assert seen == [False, True, True, False]


def test_in_the_polar_day_they_never_burn_and_in_the_polar_night_always() -> None:
    utsjoki = lighting(longitude=27.0, latitude=69.9)
    assert not any(is_dark(datetime(2026, 6, 20, hour, tzinfo=ZONE), utsjoki) for hour in range(24))
    assert all(is_dark(datetime(2026, 12, 20, hour, tzinfo=ZONE), utsjoki) for hour in range(24))


def test_noon_is_no_lighting_hour() -> None:
    assert not is_dark(datetime(2026, 1, 15, 12, tzinfo=ZONE), lighting())
