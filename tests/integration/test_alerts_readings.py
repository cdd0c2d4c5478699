"""Readings, the alerts that they raise, and what people do to these, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from services.alerts import queries, tables
from services.alerts.domain.alerts import Action, BeforeTheAlert, NotActive
from services.alerts.domain.sensors import SensorExists, Severity, WrongThresholds
from services.alerts.sample import GAUGES, load_sample
from services.alerts.use_cases import handling, rules, sensors
from shared import clock
from shared.db import Database
from shared.errors import Stale
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.gauges import (
    LEVELS,
    NOON,
    all_alerts,
    assert_recount_agrees,
    logged,
    reading,
    register,
    send,
    shown,
    the_alert,
    told,
    watch,
)


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "alerts", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NOON), left_as_found(made, tables.mapping.metadata) as lent:
        register(lent, "g")
        yield lent


def test_a_level_over_its_threshold_raises_one_alert_with_its_order(database: Database) -> None:
    send(database, reading(26))
    send(database, reading(27, 1))
    alert = the_alert(database)
    assert (alert.severity, alert.value, alert.order_category) == (Severity.SEVERE, 27, "standing_water")
    assert told(database) == ["alert_raised"]


def test_an_alert_rises_falls_and_clears_with_its_level(database: Database) -> None:
    send(database, *(reading(value, minute) for minute, value in enumerate([6, 30, 10, -4])))
    assert logged(database) == ["raised", "rose", "fell", "cleared"]
    assert told(database) == ["alert_raised", "alert_escalated", "alert_cleared"]
    assert_recount_agrees(database)


def test_a_repeated_reading_has_its_effect_once(database: Database) -> None:
    assert send(database, reading(26), reading(26)).accepted == 2
    assert send(database, reading(26)).accepted == 1
    assert the_alert(database).value == 26
    with database.read() as session:
        assert len(queries.find_readings(session, "g", limit=10, cursor=None).items) == 1


def test_a_late_reading_is_kept_and_changes_no_alert(database: Database) -> None:
    send(database, reading(26, 10))
    send(database, reading(1, 5))
    assert the_alert(database).active
    with database.read() as session:
        assert [each.value for each in queries.find_readings(session, "g", limit=10, cursor=None).items] == [26, 1]


def test_what_is_no_reading_is_refused_by_itself(database: Database) -> None:
    taken = send(database, reading(1), reading(-999999), reading(2, 1, "nobody"), reading("5"), reading(-3, 2))
    assert taken.accepted == 2
    assert [(each["index"], each["code"]) for each in taken.rejected] == [
        (1, "sentinel"), (2, "unknown-sensor"), (3, "no-number"),
    ]  # fmt: skip


def test_inside_the_margin_an_alert_clears_though_no_reading_comes(database: Database) -> None:
    send(database, reading(6), reading(4, 1))
    for minutes, active in ((5, True), (6, False)):
        watch(database, minutes)
        assert the_alert(database).active is active
    assert_recount_agrees(database)


def test_everything_that_anybody_did_is_logged(database: Database) -> None:
    send(database, reading(6))
    alert_id, until = the_alert(database).id, NOON + timedelta(hours=1)
    with clock.frozen(NOON + timedelta(seconds=40)):
        for act, more in (
            (handling.escalate_alert, {}),
            (handling.acknowledge_alert, {"expected": 2}),
            (handling.silence_alert, {"until": until}),
            (handling.unsilence_alert, {}),
        ):
            with database.begin() as session:
                act(session, alert_id=alert_id, by="controller-1", **more)
    send(database, reading(4, 1))
    with clock.frozen(NOON + timedelta(minutes=1)), database.begin() as session:
        handling.clear_alert(session, alert_id=alert_id, by="controller-1", note="Pumped.")
    done = ["raised", "escalated", "acknowledged", "silenced", "unsilenced", "cleared"]
    assert logged(database) == done
    with pytest.raises(NotActive), database.begin() as session:
        handling.escalate_alert(session, alert_id=alert_id, by="controller-1")
    assert_recount_agrees(database)


def test_acknowledging_what_has_changed_since_is_refused(database: Database) -> None:
    send(database, reading(6))
    with pytest.raises(Stale), database.begin() as session:
        handling.acknowledge_alert(session, alert_id=the_alert(database).id, by="controller-1", expected=9)


def test_a_rule_of_lower_priority_number_decides(database: Database) -> None:
    with database.begin() as session:
        rules.add_rule(session, name="Not here", kind="water_level", district="south", priority=1)
    send(database, reading(6))
    assert the_alert(database).order_category is None


def test_a_rule_for_severe_alerts_holds_once_one_rises(database: Database) -> None:
    with database.begin() as session:
        seeded = queries.find_rules(session, limit=1, cursor=None).items[0]
        rules.change_rule(session, rule_id=seeded.id, severity=Severity.SEVERE, expected=1)
    send(database, reading(6))
    assert the_alert(database).order_category is None
    send(database, reading(26, 1))
    assert the_alert(database).order_category == "standing_water"


def test_a_sensor_is_registered_once(database: Database) -> None:
    with pytest.raises(SensorExists):
        register(database, "g")


def test_new_thresholds_count_at_once(database: Database) -> None:
    send(database, reading(6))
    with pytest.raises(WrongThresholds), database.begin() as session:
        sensors.change_sensor(session, code="g", thresholds=[*LEVELS, LEVELS[0]])
    with database.begin() as session:
        sensors.change_sensor(session, code="g", thresholds=[{"severity": "minor", "at": 50.0}], expected=1)
    assert not the_alert(database).active
    with database.begin() as session:
        sensors.change_sensor(session, code="g", thresholds=[{"severity": "critical", "at": 6.0}])
    assert [each.severity for each in all_alerts(database) if each.active] == [Severity.CRITICAL]
    assert_recount_agrees(database)


def test_the_sample_is_loaded_once(database: Database) -> None:
    load_sample(database)
    load_sample(database)
    with database.read() as session:
        assert len(queries.find_sensors(session, limit=10, cursor=None).items) == 1 + len(GAUGES)


def test_who_takes_an_alert_late_is_late_whatever_they_say(database: Database) -> None:
    send(database, reading(26))
    with clock.frozen(NOON + timedelta(minutes=20)):
        wrong, said = (NOON - timedelta(minutes=each) for each in (6, 4))
        with pytest.raises(BeforeTheAlert), database.begin() as session:
            handling.acknowledge_alert(session, alert_id=the_alert(database).id, by="controller-1", at=wrong)
        with database.begin() as session:
            taken = handling.acknowledge_alert(session, alert_id=the_alert(database).id, by="controller-1", at=said)
            assert taken.acknowledged_at == NOON
    samples = shown(database, 21)
    counts = {each[1][1]: value for each, value in samples.items() if each[0].endswith("acknowledge_seconds_bucket")}
    assert (counts["600.0"], counts["1800.0"]) == (0, 1)
    with database.read() as session:
        entry = session.execute(select(tables.alert_log).where(tables.alert_log.c.action == Action.ACKNOWLEDGED)).one()
        assert (entry.happened_at, entry.said_at, entry.recorded_at) == (NOON, said, NOON + timedelta(minutes=20))
    assert_recount_agrees(database)


def test_metrics_are_in_metres(database: Database) -> None:
    register(database, "rain-1", kind="rain", unit="cm", thresholds=[])
    send(database, reading(26), reading(0.5, 1, "rain-1"), reading(0.25, 2, "rain-1"), reading(0.5, 1, "rain-1"))
    with clock.frozen(NOON + timedelta(minutes=2, seconds=40)), database.begin() as session:
        handling.acknowledge_alert(session, alert_id=the_alert(database).id, by="controller-1")
    samples = shown(database, 3)
    labels = ("acknowledged", "true"), ("district", "south"), ("kind", "water_level"), ("severity", "severe")
    assert samples["waywarden_alerts_active", *labels] == 1
    assert samples["waywarden_water_level_metres", ("sensor", "g")] == 0.26
    assert samples["waywarden_rain_metres_total", ("sensor", "rain-1")] == 0.0075
    buckets = {each[1][1]: value for each, value in samples.items() if each[0].endswith("acknowledge_seconds_bucket")}
    assert (buckets["30.0"], buckets["60.0"], buckets["+Inf"]) == (0, 1, 1)
    assert_recount_agrees(database)


def test_five_thousand_readings_are_one_batch(database: Database) -> None:
    for number in range(20):
        register(database, f"s-{number}")
    batch = [reading(number % 3, number // 20, f"s-{number % 20}") for number in range(5_000)]
    assert send(database, *batch).accepted == 5_000
