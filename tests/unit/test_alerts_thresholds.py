"""Which severity a level means, and when it is left again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.alerts.domain.sensors import (
    NotRain,
    Reason,
    Sends,
    Sensor,
    Severity,
    Standing,
    WrongBounds,
    WrongThresholds,
    WrongUnit,
    check_sensor,
    check_thresholds,
    check_unit,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RISING = [{"severity": severity, "at": at} for severity, at in zip(Severity, (5.0, 15.0, 25.0, 50.0), strict=True)]
MARGIN, DWELL_S = 2.0, 300
LEVELS = st.floats(-10, 80)


def gauge(**more: Any) -> Sensor:
    known: dict[str, Any] = {
        "code": "g", "kind": "water_level", "unit": "cm", "longitude": 24.9, "latitude": 60.1,
        "thresholds": RISING, "margin": MARGIN, "dwell_s": DWELL_S,
    }  # fmt: skip
    return Sensor(**known | more)


def rank(severity: Severity | None) -> int:
    return -1 if severity is None else severity.rank


@given(LEVELS, LEVELS)
def test_a_higher_level_never_means_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert rank(gauge().severity_of(low)) <= rank(gauge().severity_of(high))


class Level(RuleBasedStateMachine):
    """A level moves about; the standing follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.gauge, self.at, self.level, self.standing = gauge(), NOON, 0.0, Standing(None)

    def read(self, level: float, after_s: int) -> None:
        self.at += timedelta(seconds=after_s)
        self.level, self.standing = level, self.gauge.settle(self.standing, level, self.at)

    @rule(level=LEVELS, after_s=st.integers(1, 900))
    def anything(self, level: float, after_s: int) -> None:
        self.read(level, after_s)

    @precondition(lambda self: self.standing.severity and not self.standing.below_since)
    @rule(steps=st.lists(st.floats(-MARGIN, MARGIN), min_size=1, max_size=10), data=st.data())
    def play_about_the_threshold(self, steps: list[float], data: st.DataObject) -> None:
        """Within the dwell, and below the next threshold, nothing moves."""
        held = self.standing.severity
        assert held is not None
        threshold = RISING[held.rank]["at"]
        assert isinstance(threshold, float)
        for step in steps:
            self.read(threshold + step, 1)
            assert self.standing.severity is held

    @rule()
    def wait_inside_the_margin(self) -> None:
        """The same level for longer than the dwell means what it says."""
        self.read(self.level, 1)
        self.read(self.level, DWELL_S)
        assert self.standing.severity is self.gauge.severity_of(self.level) or self.standing.below_since == self.at

    @invariant()
    def nothing_is_played_down(self) -> None:
        assert rank(self.standing.severity) >= rank(self.gauge.severity_of(self.level))

    @invariant()
    def below_the_margin_it_is_left_at_once(self) -> None:
        if self.standing.severity:
            threshold = RISING[self.standing.severity.rank]["at"]
            assert isinstance(threshold, float)
            assert self.level >= threshold - MARGIN


TestLevel = pytest.mark.thorough(Level.TestCase)


def test_a_level_below_every_margin_clears_at_once() -> None:
    assert gauge().settle(Standing(Severity.SEVERE), 2.9, NOON) == Standing(None)


def test_inside_the_margin_it_clears_after_the_dwell() -> None:
    sensor = gauge()
    waiting = sensor.settle(Standing(Severity.MINOR), 4.0, NOON)
    assert waiting == Standing(Severity.MINOR, NOON)
    assert sensor.settle(waiting, 4.0, NOON + timedelta(seconds=299)) == waiting
    assert sensor.settle(waiting, 4.0, NOON + timedelta(seconds=300)) == Standing(None)


def test_back_over_the_threshold_the_dwell_begins_anew() -> None:
    sensor = gauge()
    waiting = sensor.settle(Standing(Severity.MINOR), 4.0, NOON)
    assert sensor.settle(waiting, 5.0, NOON + timedelta(seconds=299)) == Standing(Severity.MINOR)


def test_a_severity_falls_to_the_one_that_still_holds() -> None:
    assert gauge().settle(Standing(Severity.CRITICAL), 16.0, NOON) == Standing(Severity.MAJOR)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-999999, Reason.SENTINEL),
        (-888, Reason.SENTINEL),
        (9999.0, Reason.SENTINEL),
        (math.nan, Reason.NOT_FINITE),
        (math.inf, Reason.NOT_FINITE),
        ("5", Reason.NO_NUMBER),
        (True, Reason.NO_NUMBER),
        (None, Reason.NO_NUMBER),
        (-1e9, Reason.OUT_OF_BOUNDS),
        (1e9, Reason.OUT_OF_BOUNDS),
        (10**400, Reason.OUT_OF_BOUNDS),
    ],
)
def test_what_is_no_value_is_refused_with_its_reason(value: object, reason: Reason) -> None:
    assert gauge().refuse(value, NOON, NOON) is reason


def test_a_sensor_has_bounds_and_sentinels_of_its_own() -> None:
    narrow = gauge(bounds={"low": -5.0, "high": 300.0}, sentinels=[77.0])
    reasons = [narrow.refuse(each, NOON, NOON) for each in (-5.1, 300.1, 77, -888, 300)]
    beyond = Reason.OUT_OF_BOUNDS
    assert reasons == [beyond, beyond, Reason.SENTINEL, beyond, None]


def test_a_level_may_be_negative_and_rain_may_not() -> None:
    assert gauge().refuse(-3.5, NOON, NOON) is None
    assert gauge(kind="rain", unit="mm").refuse(-1, NOON, NOON) is Reason.OUT_OF_BOUNDS


def test_a_reading_of_the_future_is_refused() -> None:
    assert gauge().refuse(1, NOON + timedelta(minutes=5), NOON) is None
    assert gauge().refuse(1, NOON + timedelta(minutes=6), NOON) is Reason.FUTURE


def doubts(sensor: Sensor, *values: float) -> list[bool]:
    """Which of these readings, a minute apart, are doubted."""
    found = []
    for minute, value in enumerate(values):
        at = NOON + timedelta(minutes=minute)
        found.append(sensor.doubts(value, at))
        if not found[-1]:
            sensor.last_at, sensor.last_value = at, value
    return found


def test_a_level_that_leaps_up_is_believed_at_once() -> None:
    assert doubts(gauge(), 0, 5000, 40_000) == [False, False, False]


def test_a_level_that_leaps_down_is_believed_once_three_readings_agree() -> None:
    assert doubts(gauge(), 35, -4000, 36, -4000, -4010, -4020, -4000) == [
        False, True, False, True, True, False, False,
    ]  # fmt: skip
    assert doubts(gauge(), 35, -4000, -9000, -20_000) == [False, True, True, True]


def test_a_sensor_that_asks_for_it_doubts_its_spikes_but_not_a_second_one() -> None:
    spiky = {"largest_change": {"by": 20.0, "within_s": 60.0}}
    assert doubts(gauge(**spiky), 0, 60, 1) == [False, True, False]
    assert doubts(gauge(**spiky), 0, 60, 150) == [False, True, False]
    assert doubts(gauge(**spiky), 0, 15, 30, 45) == [False] * 4


def test_a_reading_that_is_sent_again_confirms_nothing() -> None:
    sensor = gauge(last_at=NOON, last_value=35.0)
    for _ in range(5):
        assert sensor.doubts(-4000, NOON + timedelta(minutes=1))


def test_a_burst_of_readings_confirms_no_fall() -> None:
    sensor = gauge(last_at=NOON, last_value=400.0)
    burst = [NOON + timedelta(seconds=1, microseconds=each) for each in range(50)]
    assert all(sensor.doubts(-480, at) for at in burst)
    assert sensor.doubts(-480, NOON + timedelta(seconds=10)), "nor does one that comes too soon after it"
    assert sensor.doubts(-480, NOON + timedelta(seconds=11))
    assert sensor.doubts(-480, NOON + timedelta(seconds=20)), "each of them lies apart from the one before"
    assert not sensor.doubts(-480, NOON + timedelta(seconds=21))


def test_a_second_reading_confirms_a_rise_however_soon_it_comes() -> None:
    spiky = gauge(last_at=NOON, last_value=0.0, largest_change={"by": 20.0, "within_s": 60.0})
    assert spiky.doubts(60, NOON + timedelta(seconds=1))
    assert not spiky.doubts(60, NOON + timedelta(seconds=1, microseconds=1))


def test_a_longer_time_allows_a_larger_change() -> None:
    sensor = gauge(last_at=NOON, last_value=900.0)
    assert not sensor.doubts(0, NOON + timedelta(minutes=30))


def test_after_a_clock_stepped_back_what_is_fresh_tells_the_level() -> None:
    hour = timedelta(hours=1)
    ours = gauge(last_at=NOON + timedelta(days=1), last_value=26.0)
    assert ours.is_newest(3, NOON, NOON)
    assert not ours.is_newest(80, NOON - hour, NOON)
    its_own = gauge(last_at=NOON + timedelta(minutes=4), last_value=26.0)
    assert its_own.is_newest(80, NOON, NOON)
    assert not its_own.is_newest(3, NOON, NOON)
    assert not gauge(last_at=NOON, last_value=26.0).is_newest(80, NOON - timedelta(seconds=1), NOON)


def test_late_is_two_intervals_and_some_seconds() -> None:
    sensor = gauge(expected_every_s=300, last_at=NOON)
    assert sensor.silent_from == NOON + timedelta(seconds=610)
    assert not sensor.is_silent(NOON + timedelta(seconds=610))
    assert sensor.is_silent(NOON + timedelta(seconds=611))
    assert not gauge(last_at=NOON).is_silent(NOON + timedelta(days=100))


def test_a_level_is_current_as_long_as_its_interval_allows() -> None:
    assert gauge(last_at=NOON).is_current(NOON + timedelta(hours=1))
    assert not gauge(last_at=NOON).is_current(NOON + timedelta(hours=1, seconds=1))
    assert not gauge(last_at=NOON, expected_every_s=60).is_current(NOON + timedelta(minutes=3))
    assert not gauge().is_current(NOON)


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"bounds": {"low": 5.0, "high": 5.0}}, WrongBounds),
        ({"bounds": {"low": -5.0, "high": 49.0}}, WrongThresholds),
        ({"bounds": {"low": -5.0, "high": 1e300}}, WrongBounds),
        ({"bounds": {"low": -1e300, "high": 300.0}}, WrongBounds),
        (
            {
                "kind": "rain",
                "unit": "m",
                "sends": Sends.INCREMENT,
                "thresholds": [],
                "bounds": {"low": 0.0, "high": 2.1},
            },
            WrongBounds,
        ),
        ({"kind": "rain", "unit": "mm", "sends": Sends.COUNTER}, WrongThresholds),
    ],
)
def test_what_could_never_be_reached_is_refused(more: dict[str, Any], wrong: type[Exception]) -> None:
    with pytest.raises(wrong):
        check_sensor(gauge(**more))


@pytest.mark.parametrize(
    ("unit", "sends", "found"),
    [("mm", None, "increment"), ("mm/h", None, "intensity"), ("in", "counter", "counter")],
)
def test_how_a_rain_gauge_sends_is_said_or_as_its_unit_says(unit: str, sends: str | None, found: str) -> None:
    assert check_unit("rain", unit, sends) == found


@pytest.mark.parametrize(("kind", "unit", "sends"), [("rain", "mm", "intensity"), ("rain", "mm/h", "counter")])
def test_a_unit_fits_how_the_gauge_sends(kind: str, unit: str, sends: str) -> None:
    with pytest.raises(WrongUnit):
        check_unit(kind, unit, sends)


def test_only_rain_says_how_it_is_sent() -> None:
    with pytest.raises(NotRain):
        check_unit("water_level", "m", "counter")


@pytest.mark.parametrize(
    ("kind", "unit", "value", "in_base"),
    [
        ("water_level", "ft", 10, 3.048),
        ("water_level", "in", 10, 0.254),
        ("water_level", "mm", 250, 0.25),
        ("rain", "in", 2, 50.8),
        ("rain", "cm", 2, 20),
    ],
)
def test_metrics_show_metres_of_level_and_millimetres_of_rain(
    kind: str, unit: str, value: float, in_base: float
) -> None:
    assert gauge(kind=kind, unit=unit).in_base_unit(value) == pytest.approx(in_base)


def test_a_unit_must_fit_what_is_measured() -> None:
    check_unit("water_level", "ft")
    with pytest.raises(WrongUnit):
        check_unit("water_level", "degC")


def test_thresholds_are_put_in_rising_order() -> None:
    assert check_thresholds(RISING[::-1]) == [{"severity": str(e["severity"]), "at": e["at"]} for e in RISING]


@pytest.mark.parametrize("second", [{"severity": "minor", "at": 9.0}, {"severity": "major", "at": 5.0}])
def test_thresholds_rise_with_their_severity(second: dict[str, Any]) -> None:
    with pytest.raises(WrongThresholds):
        check_thresholds([{"severity": "minor", "at": 5.0}, second])
