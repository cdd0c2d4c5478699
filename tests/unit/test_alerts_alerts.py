"""Alerts: two facts that do not depend on each other, and a severity that rises and falls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.alerts.domain.alerts import (
    AcknowledgedAlready,
    Action,
    Alert,
    BeforeTheAlert,
    InTheFuture,
    NotActive,
    Rule,
    WrongSilence,
    acknowledge_bucket,
    set_right,
)
from services.alerts.domain.sensors import Severity, Standing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=2)


def alert(**more: Any) -> Alert:
    known: dict[str, Any] = {
        "id": uuid4(), "source": "g", "kind": "water_level", "severity": Severity.MAJOR, "since": NOON,
        "recorded_at": NOON, "value": 16.0, "unit": "cm", "longitude": 24.9, "latitude": 60.1, "district": "south",
    }  # fmt: skip
    return Alert(**known | more)


@pytest.mark.parametrize(
    ("severity", "action"),
    [(Severity.SEVERE, Action.ROSE), (Severity.MAJOR, None), (Severity.MINOR, Action.FELL), (None, Action.CLEARED)],
)
def test_an_alert_follows_its_level(severity: Severity | None, action: Action | None) -> None:
    standing = alert()
    assert standing.follow(Standing(severity), LATER, by="g", now=LATER) == ([action] if action else [])
    assert standing.active == (severity is not None)
    assert standing.revision == (1 if action is None else 2)


def test_a_cleared_alert_can_still_be_acknowledged() -> None:
    ended = alert()
    ended.clear(LATER, "controller-1")
    ended.acknowledge(LATER, "controller-1")
    assert ended.state == {"active": False, "acknowledged": True}


def test_an_alert_is_acknowledged_once() -> None:
    taken = alert()
    taken.acknowledge(LATER, "controller-1")
    assert taken.seconds_to_acknowledge(LATER) == 120
    with pytest.raises(AcknowledgedAlready, match="controller-1"):
        taken.acknowledge(LATER, "controller-2")


def test_nobody_is_quicker_for_saying_so() -> None:
    taken = alert()
    taken.acknowledge(LATER, "controller-1")
    assert taken.seconds_to_acknowledge(LATER + timedelta(seconds=0.5)) == 120
    assert taken.seconds_to_acknowledge(LATER + timedelta(seconds=60)) == 180


def test_an_act_on_an_alert_is_after_it_and_a_clock_may_be_off_by_minutes() -> None:
    now = LATER + timedelta(hours=1)
    for minutes, at in ((-5, LATER), (30, LATER + timedelta(minutes=30)), (65, now)):
        assert set_right(LATER + timedelta(minutes=minutes), LATER, now) == at
    with pytest.raises(BeforeTheAlert):
        set_right(LATER - timedelta(minutes=6), LATER, now)
    with pytest.raises(InTheFuture):
        set_right(now + timedelta(minutes=6), LATER, now)


def test_what_is_over_can_be_neither_escalated_nor_silenced_nor_cleared() -> None:
    ended = alert()
    ended.clear(LATER, "controller-1")
    with pytest.raises(NotActive):
        ended.escalate()
    with pytest.raises(NotActive):
        ended.silence(LATER + timedelta(hours=1), LATER, "controller-1", None)
    with pytest.raises(NotActive):
        ended.clear(LATER, "controller-1")


def test_a_silence_has_an_end_within_a_week() -> None:
    for until in (NOON, NOON + timedelta(days=8)):
        with pytest.raises(WrongSilence):
            alert().silence(until, NOON, "controller-1", None)
    quiet = alert()
    quiet.silence(LATER, NOON, "controller-1", None)
    assert quiet.silenced_until == LATER


def test_only_an_active_alert_counts() -> None:
    counted = alert()
    assert counted.labels == ("water_level", "major", "south", "false")
    counted.clear(LATER, "g")
    assert counted.labels is None


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        ({"kind": "water_level", "severity": Severity.MAJOR, "district": "south"}, True),
        ({"kind": "rain"}, False),
        ({"severity": Severity.SEVERE}, False),
        ({"district": "north"}, False),
        ({"enabled": False}, False),
    ],
)
def test_a_rule_holds_for_what_it_names(rule: dict[str, Any], matches: bool) -> None:
    assert Rule(id=uuid4(), name="r", **rule).matches(alert()) is matches


@pytest.mark.parametrize(("seconds", "bucket"), [(0, "15.0"), (15, "15.0"), (15.1, "30.0"), (9999, "+Inf")])
def test_a_time_to_acknowledge_falls_into_one_bucket(seconds: float, bucket: str) -> None:
    assert acknowledge_bucket(seconds) == bucket
