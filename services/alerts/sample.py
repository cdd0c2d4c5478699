"""Three gauges of our own in Helsinki's centre, so that the story has something to measure. None is a real one."""

from __future__ import annotations

from typing import Any

from services.alerts.tables import sensors
from services.alerts.use_cases.sensors import register_sensor
from shared.db import Database

UNDERPASS = [  # centimetres of standing water; from 25 cm on an underpass is closed
    {"severity": "minor", "at": 5.0},
    {"severity": "major", "at": 15.0},
    {"severity": "severe", "at": 25.0},
    {"severity": "critical", "at": 50.0},
]
SHORE = [  # metres above the theoretical mean water
    {"severity": "minor", "at": 0.8},
    {"severity": "major", "at": 1.1},
    {"severity": "severe", "at": 1.3},
    {"severity": "critical", "at": 1.5},
]
# Nobody expects them to send: in the sample city none of them does, until the story is played.
GAUGES: list[dict[str, Any]] = [
    {
        "code": "gauge-underpass-1",
        "kind": "water_level",
        "unit": "cm",
        "name": "Underpass by the railway station",
        "location": {"lon": 24.9405, "lat": 60.1720},
        "district": "northwest",
        "bounds": {"low": -50.0, "high": 800.0},
        "thresholds": UNDERPASS,
        "margin": 2.0,
        "dwell_s": 300,
    },
    {
        "code": "gauge-shore-1",
        "kind": "water_level",
        "unit": "m",
        "name": "Shore at the market square",
        "location": {"lon": 24.9535, "lat": 60.1672},
        "district": "southeast",
        "thresholds": SHORE,
        "margin": 0.05,
        "dwell_s": 900,
    },
    {
        "code": "gauge-rain-1",
        "kind": "rain",
        "unit": "mm",
        "sends": "increment",
        "name": "Rain gauge in the park",
        "location": {"lon": 24.9465, "lat": 60.1752},
        "district": "northwest",
    },
]


def load_sample(db: Database) -> None:
    """Register the sample gauges that are not there yet."""
    with db.begin() as session:
        there = set(session.scalars(sensors.select().with_only_columns(sensors.c.code)))
        for gauge in GAUGES:
            if gauge["code"] not in there:
                register_sensor(session, **gauge)
