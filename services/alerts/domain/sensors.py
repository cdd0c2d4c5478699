"""Sensors: what they measure, which readings are believed, and which severity a reading means.

A severity is reached at its threshold. It is left below threshold minus margin at once, and inside the margin after a
dwell, so that a level that plays about its threshold raises one alert and not twenty. docs/alerts.md names every rule.
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
# What loggers send when they have no value: agreed codes, and the ends of their 16 bits.
SENTINELS = (-888.0, -999.0, -9999.0, -99999.0, -999999.0, 9999.0, 99999.0, 999999.0, -32768.0, 32767.0, 65535.0)

LATE_AFTER = 2  # of its intervals a sensor may miss
GRACE = timedelta(seconds=10)  # and this for the way
FRESH = timedelta(hours=1)  # how long a reading counts as current where no interval is known

# Of the usual sentinels those at the upper end of a logger's 16 bits: none, or more than it can count.
FULL_SCALE = (32767.0, 65535.0)

TWICE, THRICE = 2, 3  # readings that must agree before an unlikely rise, or fall, is believed
CALM = timedelta(minutes=10)  # of levels below every threshold before a doubt is over
APART = timedelta(seconds=10)  # between those of a fall: one burst of a logger is one look at the water


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
    """Thresholds rise with their severity, each severity stands once, and a reading can reach them."""

    slug = "wrong-thresholds"
    zh = "阈值须随级别递增，每级只出现一次，且在量程之内"


class WrongBounds(Invalid):
    """The lower bound lies below the upper one."""

    slug = "wrong-bounds"
    zh = "下限须低于上限"


class NotRain(Invalid):
    """Only a rain gauge says how it sends: increments, a counter or an intensity."""

    slug = "not-rain"
    zh = "只有雨量计才有此项"


class Severity(StrEnum):
    """One scale for all, in rising order; compared by ``rank``."""

    MINOR = "minor"
    MAJOR = "major"
    SEVERE = "severe"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Sends(StrEnum):
    """What a rain gauge's values are: what fell since the last one, a running total, or how hard it rains."""

    INCREMENT = "increment"
    COUNTER = "counter"
    INTENSITY = "intensity"


class Reason(StrEnum):
    """Why a reading is refused; ``REASONS`` has the words."""

    UNKNOWN_SENSOR = "unknown-sensor"
    NO_NUMBER = "no-number"
    NOT_FINITE = "not-finite"
    SENTINEL = "sentinel"
    OUT_OF_BOUNDS = "out-of-bounds"
    FUTURE = "in-the-future"
    CONTRADICTION = "contradiction"
    LEAP = "leap"


REASONS = {
    Reason.UNKNOWN_SENSOR: "there is no such sensor",
    Reason.NO_NUMBER: "the value is no number",
    Reason.NOT_FINITE: "the value is not finite",
    Reason.SENTINEL: "the value stands for none",
    Reason.OUT_OF_BOUNDS: "the value lies outside what the sensor can measure",
    Reason.FUTURE: "the reading lies in the future",
    Reason.CONTRADICTION: "the sensor sent another value for this time",
    Reason.LEAP: "the value is too far from the one before; it counts once others agree",
}


# What is refused for one of these may be water all the same: above its own bounds at once, else if it comes again.
MAYBE_WATER = (Reason.OUT_OF_BOUNDS, Reason.SENTINEL, Reason.LEAP, Reason.FUTURE)


@dataclass(frozen=True)
class Change:
    """How far a value may move within a time; over a longer one, as much further."""

    by: float
    within_s: float

    def allows(self, distance: float, seconds: float) -> bool:
        return distance <= self.by * max(1.0, seconds / self.within_s)


@dataclass(frozen=True)
class Kind:
    """What is measured: the base unit, the units that sensors may send as factors of it, and, in the base unit, what
    is physically possible and which rise or fall is unlikely. A level's rise is never unlikely: a flood is not hidden.
    """

    unit: str
    factors: Mapping[str, float]
    low: float
    high: float
    rise: Change | None = None
    fall: Change | None = None


# Bounds are those of the earth, not of a station: a gauge may be set to a datum. A station's own are narrower.
LENGTHS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "ft": 304.8}
MOST_RAIN = Change(500.0, 3600)  # mm; the record of an hour is 401 (WMO archive of extremes)
KINDS = {
    "water_level": Kind(
        "m", {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254}, -500, 9000, fall=Change(3, 600)
    ),
    "rain": Kind("mm", LENGTHS, 0, 2000),
    "flow": Kind("m3/s", {"m3/s": 1.0, "l/s": 0.001}, -100_000, 500_000),
    "wind": Kind("m/s", {"m/s": 1.0, "km/h": 1 / 3.6}, 0, 150),
    "temperature": Kind("degC", {"degC": 1.0}, -95, 100),
}
RAIN = {
    Sends.INCREMENT: KINDS["rain"],
    Sends.COUNTER: Kind("mm", LENGTHS, 0, 10_000_000, rise=MOST_RAIN),
    Sends.INTENSITY: Kind("mm/h", {"mm/h": 1.0, "cm/h": 10.0, "in/h": 25.4, "mm/min": 60.0}, 0, 2500),
}
UNITS = sorted({unit for kind in (*KINDS.values(), *RAIN.values()) for unit in kind.factors})


@dataclass(frozen=True)
class Standing:
    """The severity that holds after a reading, and since when the level has been inside its margin."""

    severity: Severity | None
    below_since: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Sensor:
    """A gauge. Values, ``thresholds`` [{"severity", "at"}] and ``margin`` are in ``unit``, which never changes.

    ``last_at`` and ``last_value`` are of the newest reading: the level. ``bounds`` {"low", "high"}, ``largest_change``
    {"by", "within_s"} and ``sentinels`` stand for those of its kind where they are set. ``suspects`` counts the
    readings in a row that leapt to about ``suspect_value``. ``doubtful`` counts those that were refused and may be
    water since one was believed that is below every threshold, ``doubted_value`` is the newest; ``calm_since`` is when
    such believed ones began. ``watched_since`` is from when it is expected to send; ``district_found``: nobody named
    its district, it is the one that it stands in.
    """

    code: str
    kind: str
    unit: str
    longitude: float
    latitude: float
    name: str = ""
    district: str | None = None
    district_found: bool | None = None
    sends: Sends | None = None
    thresholds: list[dict[str, Any]] = field(default_factory=list)
    margin: float = 0.0
    dwell_s: int = 300
    expected_every_s: int | None = None
    bounds: dict[str, float] | None = None
    largest_change: dict[str, float] | None = None
    sentinels: list[float] | None = None
    last_at: datetime | None = None
    last_value: float | None = None
    suspect_at: datetime | None = None
    suspect_value: float | None = None
    suspects: int | None = None
    doubted_at: datetime | None = None
    doubted_value: float | None = None
    doubtful: int | None = None
    calm_since: datetime | None = None
    watched_since: datetime | None = None
    revision: int = 1

    @property
    def location(self) -> dict[str, float]:
        return {"lon": self.longitude, "lat": self.latitude}

    @property
    def measures(self) -> Kind:
        return RAIN[self.sends or Sends.INCREMENT] if self.kind == "rain" else KINDS[self.kind]

    def in_base_unit(self, value: float) -> float:
        """A value in its kind's own unit: metres of level, millimetres of rain."""
        return value * self.measures.factors[self.unit]

    # Which readings are believed

    def refuse(self, value: Any, at: datetime, now: datetime) -> Reason | None:
        """Why a reading is no reading; None when it is one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Reason.NO_NUMBER
        if isinstance(value, float) and not math.isfinite(value):
            return Reason.NOT_FINITE
        if value in (SENTINELS if self.sentinels is None else self.sentinels):
            return Reason.SENTINEL
        low, high = self.reach
        if not low <= value <= high:
            return Reason.OUT_OF_BOUNDS
        return Reason.FUTURE if at > now + SKEW else None

    @property
    def reach(self) -> tuple[float, float]:
        """The lowest and highest value that this sensor can measure, in ``unit``."""
        own, (low, high) = self.bounds or {}, self.possible
        return own.get("low", low), own.get("high", high)

    @property
    def possible(self) -> tuple[float, float]:
        """The lowest and highest value that there is on earth, in ``unit``."""
        factor = self.measures.factors[self.unit]
        return self.measures.low / factor, self.measures.high / factor

    def is_newest(self, value: float, at: datetime, now: datetime) -> bool:
        """Whether a reading tells the level, or comes late.

        Where the newest one lies ahead of our clock, one of the two clocks has stepped: what is fresh then tells it,
        and, as long as the sensor's clock may be the one, only what is higher.
        """
        if self.last_at is None or self.last_value is None or at > self.last_at:
            return True
        stepped, fresh = self.last_at > now, at >= now - SKEW
        return stepped and fresh and (value > self.last_value or self.last_at > now + SKEW)

    def take(self, value: float, at: datetime, now: datetime) -> None:
        """Let a reading that tells the level be it."""
        behind = self.last_at is not None and at < self.last_at <= now + SKEW
        self.last_at, self.last_value = self.last_at if behind else at, value

    def doubts(self, value: float, at: datetime) -> bool:
        """Whether a newest value is not believed yet, because it leapt: a rise until a second one, a fall until two
        more agree. Only a sensor of which ``largest_change`` is set doubts a rise of its level.
        """
        rising = self._leaps(value, at)
        if rising is None:
            self.suspect_at = self.suspect_value = self.suspects = None
            return False
        self._suspect(value, at, rising)
        if (self.suspects or 0) < (TWICE if rising else THRICE):
            return True
        self.suspect_at = self.suspect_value = self.suspects = None
        return False

    def _leaps(self, value: float, at: datetime) -> bool | None:
        """Whether a value leaps up (True) or down (False) from the level; None when it does not."""
        if self.last_value is None or self.last_at is None:
            return None
        rising, change = value > self.last_value, self._likely(value > self.last_value)
        seconds = (at - self.last_at).total_seconds()
        return None if change is None or change.allows(abs(value - self.last_value), seconds) else rising

    def _likely(self, rising: bool) -> Change | None:
        """The largest change that is believed at once, in ``unit``; None: any. A counter that falls began anew."""
        if self.sends is Sends.COUNTER and not rising:
            return None
        if self.largest_change:
            return Change(self.largest_change["by"], self.largest_change["within_s"])
        of_kind = self.measures.rise if rising else self.measures.fall
        return of_kind and Change(of_kind.by / self.measures.factors[self.unit], of_kind.within_s)

    def _suspect(self, value: float, at: datetime, rising: bool) -> None:
        """Count a reading towards its confirmation; once for one sent again, or a burst of a fall."""
        agrees = self.suspect_value is not None and self._agrees(value, rising)
        if self.suspect_at and (at == self.suspect_at or (agrees and not rising and at - self.suspect_at < APART)):
            return
        self.suspects = (self.suspects or 0) + 1 if agrees else 1
        self.suspect_at, self.suspect_value = at, value

    def _agrees(self, value: float, rising: bool) -> bool:
        level, suspect, change = self.last_value, self.suspect_value, self._likely(rising)
        if level is None or suspect is None or change is None or (suspect > level) != rising:
            return False
        return rising or abs(value - suspect) <= change.by

    # Doubt

    def may_be_water(self, value: Any, why: Reason) -> bool:
        """Whether a refused reading may stand for more than the sensor can say; what nothing can be is a broken one."""
        if why not in MAYBE_WATER or self.sends is Sends.COUNTER:
            return False
        if why is Reason.SENTINEL:
            return self.sentinels is None and value in FULL_SCALE
        if why is Reason.OUT_OF_BOUNDS:
            return bool(self.reach[1] < value <= self.possible[1])
        return self.severity_of(value) is not None

    def doubt(self, value: float, at: datetime, why: Reason, now: datetime) -> bool:
        """Note a refused reading that may be water; whether that, with those before, is enough to send somebody.

        One above the sensor's own bounds is; of others two in a row are.
        """
        seen = min(at, now)
        if self.doubted_at is not None and seen <= self.doubted_at <= now + SKEW:  # later, our clock was wrong
            return False
        self.doubted_at, self.doubted_value, self.doubtful = seen, value, (self.doubtful or 0) + 1
        self.calm_since = None
        return self.doubtful >= TWICE or why is Reason.OUT_OF_BOUNDS

    @property
    def severity_in_doubt(self) -> Severity:
        """What the doubted value would mean: one of them MAJOR at the most, and any at a threshold at least."""
        reached = None if self.doubted_value is None else self.severity_of(self.doubted_value)
        if reached is None:
            return Severity.MINOR
        return worst(Severity.MAJOR, reached) if (self.doubtful or 0) >= TWICE else Severity.MAJOR

    def calm(self, at: datetime) -> None:
        """Note that its level was believed. Only below every threshold that speaks against what was doubted."""
        if self.doubtful is not None:
            self.doubtful = 0 if self.severity is None else self.doubtful
            self.calm_since = (self.calm_since or at) if self.severity is None else None

    def is_calm(self, now: datetime) -> bool:
        """Whether all doubt is over: it has been calm for long enough, or nothing is doubted since it measures anew."""
        return self.doubtful is None or (self.calm_since is not None and now - self.calm_since >= CALM)

    # Silence

    @property
    def patience(self) -> timedelta | None:
        """How long after a reading the sensor is silent; None where nothing is expected."""
        if self.expected_every_s is None:
            return None
        return timedelta(seconds=LATE_AFTER * self.expected_every_s) + GRACE

    @property
    def silent_from(self) -> datetime | None:
        """From when on it is silent, unless it sends; one that never sent counts from when it was registered."""
        since = self.last_at or self.watched_since
        return since + self.patience if since and self.patience else None

    def is_silent(self, now: datetime) -> bool:
        return self.silent_from is not None and now > self.silent_from

    def is_current(self, now: datetime) -> bool:
        """Whether its last value still says how things are."""
        return self.last_at is not None and now <= self.last_at + (self.patience or FRESH)

    def mend_clock(self, now: datetime) -> None:
        """Times ahead of what a sensor's clock may be were set when ours was wrong: count from now."""
        ahead = now + SKEW
        self.last_at = now if self.last_at and self.last_at > ahead else self.last_at
        self.doubted_at = now if self.doubted_at and self.doubted_at > ahead else self.doubted_at
        self.calm_since = now if self.calm_since and self.calm_since > ahead else self.calm_since
        self.watched_since = now if self.watched_since and self.watched_since > ahead else self.watched_since

    # Which severity a value means

    def severity_of(self, value: float) -> Severity | None:
        """The highest severity whose threshold the value reaches."""
        reached = [Severity(each["severity"]) for each in self.thresholds if value >= each["at"]]
        return max(reached, key=lambda each: each.rank, default=None)

    @property
    def severity(self) -> Severity | None:
        """What its level means by itself; None below every threshold, or where nothing was read yet."""
        return None if self.last_value is None else self.severity_of(self.last_value)

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


def worst(*severities: Severity | None) -> Severity:
    """The highest of those that there are."""
    return max((each for each in severities if each), key=lambda each: each.rank)


def check_unit(kind: str, unit: str, sends: str | None = None) -> Sends | None:
    """How the sensor sends, where that needs saying: rain is sent as increments, or as its unit says.

    Raises WrongUnit, and NotRain for another kind that says it.
    """
    if kind != "rain" and sends:
        raise NotRain(f"A sensor of {kind} has no such choice.", field="sends")
    if kind == "rain" and sends is None:
        sends = Sends.INTENSITY if unit in RAIN[Sends.INTENSITY].factors else Sends.INCREMENT
    how = Sends(sends) if sends else None
    measures = RAIN[how] if how else KINDS[kind]
    if unit not in measures.factors:
        what = f"{kind} sent as {how}" if how else kind
        raise WrongUnit(f"{what} is measured in {', '.join(measures.factors)}.", field="unit")
    return how


def check_sensor(sensor: Sensor) -> None:
    """Raises WrongBounds and WrongThresholds for what does not fit together."""
    low, high = sensor.reach
    if low >= high:
        raise WrongBounds(f"{low:g} is not below {high:g}.", field="bounds")
    least, most = sensor.possible
    if not least <= low <= high <= most:
        raise WrongBounds(f"Nothing lies outside {least:g} to {most:g} {sensor.unit}.", field="bounds")
    if sensor.thresholds and sensor.sends is Sends.COUNTER:
        raise WrongThresholds("A counter only grows: it has no level.", field="thresholds")
    if beyond := [each["at"] for each in sensor.thresholds if not low <= each["at"] <= high]:
        raise WrongThresholds(f"{beyond[0]:g} lies outside {low:g} to {high:g}.", field="thresholds")


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
