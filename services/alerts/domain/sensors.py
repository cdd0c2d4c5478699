"""Sensors: what they measure, in which units, and which severity a reading means.

A severity is reached at its threshold. It is left below threshold minus margin at once, and inside the margin after a
dwell, so that a level that plays about its threshold raises one alert and not twenty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from shared.errors import Conflict, Invalid, NotFound

SKEW = timedelta(minutes=5)  # how far a sensor's clock may run ahead of ours
SENTINELS = frozenset({-9999.0, -99999.0, -999999.0})  # what gauges send when they have no value

LARGEST = 1e12  # beyond what any gauge measures, and safe in every unit


class UnknownSensor(NotFound):
    """There is no such sensor."""

    slug = "unknown-sensor"
    zh = "没有该传感器"


class SensorExists(Conflict):
    """Another sensor has this code."""

    slug = "sensor-exists"
    zh = "该编码已有传感器"


class WrongUnit(Invalid):
    """This kind of sensor does not measure in that unit."""

    slug = "wrong-unit"
    zh = "该类传感器不使用此单位"


class WrongThresholds(Invalid):
    """Thresholds rise with their severity, and each severity stands once."""

    slug = "wrong-thresholds"
    zh = "阈值须随级别递增，且每级只出现一次"


class Severity(StrEnum):
    """One scale for all, in rising order; compared by ``rank``."""

    MINOR = "minor"
    MAJOR = "major"
    SEVERE = "severe"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True)
class Kind:
    """What is measured: the unit that metrics show, and the units that sensors may send, as factors of it."""

    unit: str
    factors: Mapping[str, float]
    below_zero: bool = True


KINDS = {
    "water_level": Kind("m", {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254}),
    "rain": Kind("mm", {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "ft": 304.8}, below_zero=False),
    "flow": Kind("m3/s", {"m3/s": 1.0, "l/s": 0.001}),
    "wind": Kind("m/s", {"m/s": 1.0, "km/h": 1 / 3.6}, below_zero=False),
    "temperature": Kind("degC", {"degC": 1.0}),
}


@dataclass(frozen=True)
class Standing:
    """The severity that holds after a reading, and since when the level has been inside its margin."""

    severity: Severity | None
    below_since: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Sensor:
    """A gauge. Values, ``thresholds`` [{"severity", "at"}] and ``margin`` are in ``unit``, which never changes.

    ``last_at`` and ``last_value`` are of the newest reading. ``dismissed`` is the severity of an alert that was
    cleared by hand: until the level has been below every threshold, only a higher one speaks again.
    """

    code: str
    kind: str
    unit: str
    longitude: float
    latitude: float
    name: str = ""
    district: str | None = None
    thresholds: list[dict[str, Any]] = field(default_factory=list)
    margin: float = 0.0
    dwell_s: int = 300
    expected_every_s: int | None = None
    last_at: datetime | None = None
    last_value: float | None = None
    dismissed: Severity | None = None
    revision: int = 1

    @property
    def location(self) -> dict[str, float]:
        return {"lon": self.longitude, "lat": self.latitude}

    def in_base_unit(self, value: float) -> float:
        """A value in the unit that metrics show: metres of level, millimetres of rain."""
        return value * KINDS[self.kind].factors[self.unit]

    def refuse(self, value: Any, at: datetime, now: datetime) -> str | None:
        """Why a reading is no reading; None when it is one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "the value is no number"
        if abs(value) > LARGEST or not math.isfinite(value):
            return "the value is not finite"
        if value in SENTINELS:
            return "the value stands for none"
        if value < 0 and not KINDS[self.kind].below_zero:
            return f"{self.kind} is never below zero"
        return "the reading lies in the future" if at > now + SKEW else None

    def severity_of(self, value: float) -> Severity | None:
        """The highest severity whose threshold the value reaches."""
        reached = [Severity(each["severity"]) for each in self.thresholds if value >= each["at"]]
        return max(reached, key=lambda each: each.rank, default=None)

    def settle(self, held: Standing, value: float, at: datetime) -> Standing:
        """Where the alert stands after a value, from where it stood."""
        reached = self.severity_of(value)
        if held.severity is None or (reached and reached.rank >= held.severity.rank):
            return Standing(reached)
        kept = self._kept(held.severity, value)
        if kept is not held.severity:
            return Standing(kept, at if kept is not reached else None)
        since = held.below_since or at
        if at - since >= timedelta(seconds=self.dwell_s):
            return Standing(reached)
        return Standing(kept, since)

    def _kept(self, held: Severity, value: float) -> Severity | None:
        """The highest severity, up to the one held, that the value does not leave at once."""
        near = [Severity(each["severity"]) for each in self.thresholds if value >= each["at"] - self.margin]
        return max((each for each in near if each.rank <= held.rank), key=lambda each: each.rank, default=None)

    def speaks(self, severity: Severity | None) -> bool:
        """Whether a severity raises an alert: not the one again that somebody has just cleared by hand."""
        if severity is None:
            self.dismissed = None
            return False
        return self.dismissed is None or severity.rank > self.dismissed.rank


def check_unit(kind: str, unit: str) -> None:
    """Raises WrongUnit."""
    if unit not in KINDS[kind].factors:
        raise WrongUnit(f"{kind} is measured in {', '.join(KINDS[kind].factors)}.", field="unit")


def check_thresholds(thresholds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The thresholds in rising order. Raises WrongThresholds."""
    rising = sorted(({"severity": str(each["severity"]), "at": each["at"]} for each in thresholds), key=_rank)
    for low, high in pairwise(rising):
        if low["severity"] == high["severity"]:
            raise WrongThresholds(f"{low['severity']} stands more than once.", field="thresholds")
        if low["at"] >= high["at"]:
            raise WrongThresholds(f"{high['severity']} must lie above {low['severity']}.", field="thresholds")
    return rising


def _rank(threshold: Mapping[str, Any]) -> int:
    return Severity(threshold["severity"]).rank
