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
    Sensor,
    Severity,
    Standing,
    WrongThresholds,
    WrongUnit,
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


def test_an_alert_cleared_by_hand_is_silent_until_the_level_was_below_or_goes_higher() -> None:
    sensor = gauge(dismissed=Severity.MAJOR)
    assert not sensor.speaks(Severity.MAJOR)
    assert sensor.speaks(Severity.SEVERE)
    assert not sensor.speaks(None)
    assert sensor.speaks(Severity.MINOR)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-999999, "stands for none"),
        (-9999.0, "stands for none"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
        ("5", "no number"),
        (True, "no number"),
        (None, "no number"),
    ],
)
def test_what_is_no_value_is_refused_with_its_reason(value: object, reason: str) -> None:
    assert reason in (gauge().refuse(value, NOON, NOON) or "")


def test_a_level_may_be_negative_and_rain_may_not() -> None:
    assert gauge().refuse(-3.5, NOON, NOON) is None
    assert "below zero" in (gauge(kind="rain", unit="mm").refuse(-1, NOON, NOON) or "")


def test_a_reading_of_the_future_is_refused() -> None:
    assert gauge().refuse(1, NOON + timedelta(minutes=5), NOON) is None
    assert "future" in (gauge().refuse(1, NOON + timedelta(minutes=6), NOON) or "")


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
