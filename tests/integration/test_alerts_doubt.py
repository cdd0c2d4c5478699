"""What a gauge sends is refused, and may be water: somebody has to look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.alerts import tables
from services.alerts.domain.alerts import DOUBT, SILENCE, Alert
from services.alerts.domain.sensors import Severity
from services.alerts.use_cases import handling, rules
from services.alerts.use_cases.readings import take_readings
from shared import clock
from shared.db import Database
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.gauges import (
    NOON,
    act,
    all_alerts,
    assert_recount_agrees,
    change,
    reading,
    register,
    send,
    shown,
    standing,
    told,
    watch,
)

LEVELS = [{"severity": "minor", "at": 50.0}, {"severity": "major", "at": 80.0}, {"severity": "critical", "at": 95.0}]
BOUNDS = {"low": -20.0, "high": 100.0}


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "alerts", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NOON), left_as_found(made, tables.mapping.metadata) as lent:
        register(lent, "g", thresholds=LEVELS, bounds=BOUNDS)
        yield lent


def the_doubt(database: Database) -> Alert:
    (alert,) = standing(database, DOUBT)
    return alert


def send_each(database: Database, *values: Any, start: float = 0, every: float = 1) -> None:
    """One after another, as gauges do."""
    for number, value in enumerate(values):
        send(database, reading(value, start + number * every))


def test_water_above_the_range_of_its_gauge_is_an_alert_that_asks_somebody_to_look(database: Database) -> None:
    taken = [send(database, reading(value, minute)) for minute, value in enumerate([60, 85, 120])]
    assert [[each["code"] for each in one.rejected] for one in taken] == [[], [], ["out-of-bounds"]]
    flood, doubt = standing(database, "water_level")[0], the_doubt(database)
    assert (flood.severity, flood.value) == (Severity.MAJOR, 85)
    assert (doubt.severity, doubt.value, doubt.unit, doubt.since) == (
        Severity.MAJOR, 120, "cm", NOON + timedelta(minutes=2),
    )  # fmt: skip
    assert (doubt.district, doubt.order_category, doubt.acknowledged) == ("south", None, False)
    assert told(database)[-1] == "alert_raised"
    samples = shown(database, 2)
    labels = ("acknowledged", "false"), ("district", "south"), ("kind", DOUBT), ("severity", "major")
    assert samples["waywarden_alerts_active", *labels] == 1
    refused = ("kind", "water_level"), ("reason", "out-of-bounds")
    assert samples["waywarden_readings_rejected_total", *refused] == 1
    assert_recount_agrees(database)


def test_a_quiet_gauge_whose_first_sample_is_above_its_range_speaks_at_once(database: Database) -> None:
    send_each(database, 3, 120)
    assert [(each.kind, each.severity) for each in standing(database)] == [(DOUBT, Severity.MAJOR)]


def test_a_gauge_that_never_sent_anything_else_speaks_as_well(database: Database) -> None:
    send_each(database, 120)
    assert the_doubt(database).value == 120


def test_one_that_comes_again_is_as_severe_as_it_would_be_if_it_were_true(database: Database) -> None:
    send_each(database, 3, 120)
    act(database, handling.acknowledge_alert, 1, the_doubt(database))
    send_each(database, 130, start=2)
    doubt = the_doubt(database)
    assert (doubt.severity, doubt.value, doubt.acknowledged) == (Severity.CRITICAL, 130, False)
    assert_recount_agrees(database)


def test_it_is_at_least_as_severe_as_what_stands_at_its_gauge(database: Database) -> None:
    send_each(database, 96, 120)
    assert the_doubt(database).severity is Severity.CRITICAL
    register(database, "low", thresholds=[{"severity": "minor", "at": 50.0}], bounds=BOUNDS)
    send(database, reading(120, 5, "low"), reading(121, 6, "low"))
    assert [each.severity for each in standing(database, DOUBT) if each.source == "low"] == [Severity.MAJOR]


def test_a_threshold_that_sinks_lifts_what_is_in_doubt_too(database: Database) -> None:
    send_each(database, 85, 120)
    change(database, minute=2, thresholds=[{"severity": "minor", "at": 5.0}, {"severity": "critical", "at": 50.0}])
    assert the_doubt(database).severity is Severity.CRITICAL


def test_ten_minutes_below_every_threshold_end_it_and_a_reading_at_a_threshold_begins_them_anew(
    database: Database,
) -> None:
    send_each(database, 85, 120, 99, 101, 40, 60, 40, 39)
    assert len([each for each in all_alerts(database) if each.kind == DOUBT]) == 1
    watch(database, 15)
    assert the_doubt(database).active
    send_each(database, 40, start=16)
    (doubt,) = (each for each in all_alerts(database) if each.kind == DOUBT)
    assert (doubt.active, doubt.cleared_by, doubt.cleared_at) == (False, "g", NOON + timedelta(minutes=16))
    assert_recount_agrees(database)


def test_a_gauge_that_sends_no_more_is_calm_after_ten_minutes_as_well(database: Database) -> None:
    send_each(database, 120, 40)
    watch(database, 10)
    assert the_doubt(database).active
    watch(database, 11)
    assert standing(database, DOUBT) == []
    send_each(database, 120, start=12)
    assert the_doubt(database).since == NOON + timedelta(minutes=12)


def test_whoever_has_looked_ends_it_by_hand_and_the_next_one_raises_it_again(database: Database) -> None:
    send_each(database, 85, 120)
    assert not act(database, handling.clear_alert, 2, the_doubt(database), note="Dry; the cable is cut.").active
    assert standing(database, "water_level") != []
    assert standing(database, DOUBT) == []
    send_each(database, 120, start=3)
    assert the_doubt(database).since == NOON + timedelta(minutes=3)


def test_its_silence_keeps_the_gauge_quiet_unless_it_gets_worse(database: Database) -> None:
    send_each(database, 3, 120)
    act(database, handling.silence_alert, 1, the_doubt(database), until=NOON + timedelta(hours=2))
    send_each(database, 3, 120, start=2)
    assert all(each.silenced_until is not None for each in standing(database, DOUBT))
    send_each(database, 120, 120, start=4)
    assert the_doubt(database).silenced_until is None


@pytest.mark.parametrize(("values", "every"), [([3, 120], 1), ([3, 120], 10), ([3, 120], 9), ([120, 121, 3], 1 / 6)])
def test_a_loose_contact_raises_one_alert_that_stands(database: Database, values: list[float], every: float) -> None:
    send_each(database, *values * 30, every=every)
    if every < 10:
        assert [each.kind for each in all_alerts(database)] == [DOUBT]
    send_each(database, 120, start=700)
    assert the_doubt(database).value == 120


def test_one_full_scale_reading_before_does_not_hush_what_comes_above_the_range(database: Database) -> None:
    send_each(database, 32767, 3, 120)
    assert the_doubt(database).value == 120


def test_a_clock_that_steps_back_hushes_nothing_above_the_range(database: Database) -> None:
    with clock.frozen(NOON + timedelta(hours=2)), database.begin() as session:
        take_readings(session, batch=[reading(120, 120)])
    act(database, handling.clear_alert, 0, the_doubt(database))
    send_each(database, 120, start=1)
    assert the_doubt(database).since == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("value", [1e30, -1e9, -120, 9e5 + 1, 1e300, 10**400, -9999, 9999, "120", None, True])
def test_what_no_water_can_be_raises_nothing_of_its_own(database: Database, value: Any) -> None:
    send_each(database, 3, value, value, value)
    assert standing(database) == []


@pytest.mark.parametrize("value", [32767, 65535.0])
def test_the_end_of_a_loggers_range_is_a_doubt_once_it_comes_again(database: Database, value: float) -> None:
    send_each(database, 3, value)
    assert standing(database) == []
    send(database, reading(value, 1))
    assert standing(database) == [], "the same once more is no second one"
    send(database, reading(value, 2))
    assert the_doubt(database).severity is Severity.CRITICAL
    register(database, "told", thresholds=LEVELS, bounds=BOUNDS, sentinels=[value])
    send(database, reading(value, 3, "told"), reading(value, 4, "told"))
    assert [each.source for each in standing(database)] == ["g"]


def test_a_clock_that_runs_ahead_hides_no_flood(database: Database) -> None:
    def from_ahead(value: float, minute: int) -> None:
        with clock.frozen(NOON + timedelta(minutes=minute)), database.begin() as session:
            take_readings(session, batch=[reading(value, minute + 60)])

    for minute, value in enumerate([3, 4, 60]):
        from_ahead(value, minute)
    assert standing(database) == []
    from_ahead(70, 3)
    assert (the_doubt(database).value, the_doubt(database).since) == (70, NOON + timedelta(minutes=3))


def test_a_leap_up_that_the_next_one_repeats_is_a_flood_and_no_doubt(database: Database) -> None:
    change(database, largest_change={"by": 10.0, "within_s": 600.0})
    send_each(database, 3, 90)
    assert standing(database) == []
    send_each(database, 92, start=2)
    assert [each.kind for each in standing(database)] == ["water_level"]


def test_what_is_older_than_the_level_is_no_doubt_of_it(database: Database) -> None:
    send(database, reading(120, 0), reading(130, 1), reading(3, 2))
    send(database, reading(120, 1.5), reading(None, 3))
    assert standing(database) == []


def test_a_clock_that_was_ahead_and_is_put_right_hides_nothing_above_the_range(database: Database) -> None:
    with clock.frozen(NOON), database.begin() as session:
        take_readings(session, batch=[reading(3, 4)])
    send(database, reading(120, 1))
    assert the_doubt(database).value == 120


def test_a_counter_that_only_grows_is_never_in_doubt(database: Database) -> None:
    register(database, "rain", kind="rain", unit="mm", sends="counter", thresholds=[], bounds={**BOUNDS, "low": 0.0})
    send(database, reading(120, 0, "rain"), reading(130, 1, "rain"))
    assert standing(database) == []


def test_wider_bounds_let_the_next_reading_decide(database: Database) -> None:
    send_each(database, 85, 120)
    change(database, minute=2, bounds={"low": -20.0, "high": 300.0})
    assert the_doubt(database).active
    send_each(database, 120, start=3)
    assert [(each.kind, each.severity, each.value) for each in standing(database)] == [
        ("water_level", Severity.CRITICAL, 120)
    ]


def test_a_gauge_in_doubt_is_silent_as_well_since_nothing_it_sends_is_believed(database: Database) -> None:
    change(database, expected_every_s=60)
    send_each(database, 85, 120, 121, 122)
    watch(database, 4)
    assert {each.kind for each in standing(database)} == {"water_level", DOUBT, SILENCE}


def test_a_doubt_opens_an_order_where_a_rule_names_it(database: Database) -> None:
    with database.begin() as session:
        rules.add_rule(session, name="All", order_category="overflow", priority=1)
    send_each(database, 3, 120)
    assert the_doubt(database).order_category is None
    with database.begin() as session:
        named: dict[str, Any] = {"kind": DOUBT, "severity": Severity.CRITICAL, "order_category": "overflow"}
        rules.add_rule(session, name="Look", priority=1, **named)
    send_each(database, 120, start=2)
    assert the_doubt(database).order_category == "overflow"
    assert told(database)[-1] == "alert_escalated"


def test_a_silent_gauge_asks_again_when_a_lowered_threshold_makes_its_flood_worse(database: Database) -> None:
    change(database, expected_every_s=60)
    send_each(database, 60)
    watch(database, 5)
    (silence,) = standing(database, SILENCE)
    act(database, handling.acknowledge_alert, 6, silence)
    change(database, minute=7, thresholds=[{"severity": "minor", "at": 5.0}, {"severity": "critical", "at": 50.0}])
    (silence,) = standing(database, SILENCE)
    assert (silence.severity, silence.acknowledged) == (Severity.CRITICAL, False)
    assert_recount_agrees(database)
