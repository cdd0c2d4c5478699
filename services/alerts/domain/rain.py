"""How much rain the readings of a gauge tell: a sum over each reading and the one before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from services.alerts.domain.sensors import FRESH, MOST_RAIN, Sends, Sensor

JITTER_MM = 1.0  # by how much a weighing gauge's counter may fall without having begun anew

Reading = tuple[datetime, float]  # when, and the value in the sensor's unit


def micrometres(sensor: Sensor, readings: Iterable[Reading | None]) -> int:
    """The rain of readings in the order of their times, that of the first left out (None: none came before it)."""
    return sum(round(1000 * _fell(sensor, before, this)) for before, this in pairwise(readings) if this)


def _fell(sensor: Sensor, before: Reading | None, this: Reading) -> float:
    """Millimetres that a reading adds after the one before it."""
    value = sensor.in_base_unit(this[1])
    if sensor.sends not in (Sends.COUNTER, Sends.INTENSITY):
        return value
    if before is None:
        return 0.0
    earlier, passed = sensor.in_base_unit(before[1]), this[0] - before[0]
    if sensor.sends is Sends.COUNTER:
        return _counted(earlier, value, passed)
    return (earlier + value) / 2 * (min(passed, sensor.patience or FRESH) / timedelta(hours=1))


def _counted(before: float, now: float, passed: timedelta) -> float:
    """What a counter counted. One that falls began anew, from zero; a leap beyond any rain is another gauge."""
    began_anew = before - now > JITTER_MM or now <= before / 2
    fell = now - before if now >= before else now if began_anew else 0.0
    return fell if MOST_RAIN.allows(fell, passed.total_seconds()) else 0.0
