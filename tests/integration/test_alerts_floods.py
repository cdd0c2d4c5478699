"""A rising flood is never hidden: not by people, absurd readings, silences, silent gauges or clocks; both engines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.alerts import queries, tables
from services.alerts.domain.alerts import SILENCE, Action, NotSilenced, StillThere, UnknownCategory
from services.alerts.domain.places import FarFromDistrict, UnknownDistrict
from services.alerts.domain.sensors import Severity, WrongThresholds
from services.alerts.use_cases import categories, handling, places, rules
from services.alerts.use_cases.readings import take_readings
from shared import clock
from shared.db import Database
from shared.events.assets import AreaChanged, CataloguePublished
from shared.field.outlines import PlaceSwapped
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.gauges import (
    LEVELS,
    NOON,
    act,
    all_alerts,
    assert_recount_agrees,
    change,
    logged,
    reading,
    register,
    send,
    shown,
    standing,
    the_alert,
    told,
    watch,
)

FINER = [{"severity": "minor", "at": 5.0}, {"severity": "severe", "at": 25.0}, {"severity": "critical", "at": 50.0}]


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "alerts", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NOON), left_as_found(made, tables.mapping.metadata) as lent:
        register(lent, "g", thresholds=FINER)
        yield lent


# Clearing by hand


@pytest.mark.parametrize(("level", "threshold"), [(35, "severe is 25"), (25, "severe is 25"), (5, "minor is 5")])
def test_a_flood_is_not_cleared_by_hand(database: Database, level: float, threshold: str) -> None:
    send(database, reading(level))
    with pytest.raises(StillThere, match=threshold):
        act(database, handling.clear_alert)
    assert the_alert(database).active
    assert_recount_agrees(database)


def test_what_was_cleared_inside_the_margin_is_raised_again_at_the_threshold(database: Database) -> None:
    send(database, reading(35), reading(4, 1))
    act(database, handling.clear_alert, 1)
    send(database, reading(4.5, 2), reading(5, 3))
    assert [each.active for each in all_alerts(database)] == [False, True]


def test_a_flood_that_a_former_version_let_somebody_clear_is_raised(database: Database) -> None:
    send(database, reading(35))
    with database.begin() as session:
        session.execute(update(tables.alerts).values(active=False))
    assert watch(database, 1) == ["g"]
    assert [each.severity for each in standing(database)] == [Severity.SEVERE]
    assert watch(database, 1) == []


def test_a_threshold_that_sinks_below_the_level_raises_at_once(database: Database) -> None:
    send(database, reading(3))
    change(database, thresholds=[{"severity": "minor", "at": 1.0}, {"severity": "major", "at": 2.0}])
    assert the_alert(database).severity is Severity.MAJOR
    change(database, thresholds=[{"severity": "minor", "at": 1.0}, {"severity": "critical", "at": 2.0}])
    assert logged(database) == ["raised", "rose"]
    change(database, thresholds=[])
    assert not the_alert(database).active
    assert_recount_agrees(database)


# Absurd readings


@pytest.mark.parametrize("absurd", [-1e9, 1e9, -60_000, -4_000, -9999, -888, 9999, 10**30])
def test_an_absurd_reading_is_refused_counted_and_changes_nothing(database: Database, absurd: float) -> None:
    send(database, reading(35))
    (refused,) = send(database, reading(absurd, 1)).rejected
    assert refused["code"] in ("out-of-bounds", "sentinel", "leap")
    assert (the_alert(database).active, the_alert(database).value) == (True, 35)
    samples = shown(database, 1)
    assert samples["waywarden_water_level_metres", ("sensor", "g")] == pytest.approx(0.35)
    labels = ("kind", "water_level"), ("reason", refused["code"])
    assert samples["waywarden_readings_rejected_total", *labels] == 1
    with database.read() as session:
        assert len(queries.find_readings(session, "g", limit=10, cursor=None).items) == 1


def test_a_fall_that_others_confirm_is_believed(database: Database) -> None:
    send(database, reading(900))
    for minute, accepted in enumerate([0, 0, 1], start=1):
        assert send(database, reading(2 + minute / 10, minute)).accepted == accepted
    assert not the_alert(database).active
    assert send(database, reading(3, 4)).accepted == 1


def test_a_sensor_has_bounds_of_its_own_and_a_level_within_its_thresholds_reach(database: Database) -> None:
    change(database, bounds={"low": 0.0, "high": 60.0}, sentinels=[60.0])
    taken = send(database, reading(-1), reading(61, 1), reading(60, 2), reading(55, 3))
    assert [each["code"] for each in taken.rejected] == ["out-of-bounds", "out-of-bounds", "sentinel"]
    with pytest.raises(WrongThresholds):
        change(database, bounds={"low": 0.0, "high": 49.0})
    change(database, bounds=None, sentinels=None)
    assert send(database, reading(80, 4)).accepted == 1


def test_another_value_for_the_same_time_is_a_contradiction(database: Database) -> None:
    taken = send(database, reading(35), reading(1), reading(35))
    assert (taken.accepted, taken.rejected[0]["index"], taken.rejected[0]["code"]) == (2, 1, "contradiction")
    assert [each["code"] for each in send(database, reading(1)).rejected] == ["contradiction"]
    assert send(database, reading(35)).accepted == 1
    assert the_alert(database).value == 35


# Worse is new


def test_what_got_worse_asks_again_and_breaks_its_silence(database: Database) -> None:
    send(database, reading(6))
    act(database, handling.acknowledge_alert)
    act(database, handling.silence_alert, until=NOON + timedelta(hours=2), note="Pump is coming.")
    assert (the_alert(database).silenced_by, the_alert(database).silence_reason) == ("controller-1", "Pump is coming.")
    send(database, reading(80, 1))
    alert = the_alert(database)
    assert (alert.acknowledged, alert.acknowledged_by, alert.silenced_until) == (False, None, None)
    with database.read() as session:
        waiting = queries.find_alerts(session, limit=9, cursor=None, acknowledged=False, silenced=False)
    assert [each.id for each in waiting.items] == [alert.id]
    act(database, handling.acknowledge_alert, 3)
    assert logged(database) == [
        "raised", "acknowledged", "silenced", "rose", "asked_again", "unsilenced", "acknowledged",
    ]  # fmt: skip
    assert told(database) == ["alert_raised", "alert_acknowledged", "alert_escalated", "alert_acknowledged"]
    buckets = shown(database)
    of_critical = "waywarden_alert_acknowledge_seconds_sum", ("severity", "critical")
    assert buckets[of_critical] == 120
    assert_recount_agrees(database)


def test_what_falls_and_rises_again_asks_again_and_stays_within_its_silence(database: Database) -> None:
    send(database, reading(26))
    act(database, handling.acknowledge_alert)
    act(database, handling.silence_alert, until=NOON + timedelta(hours=2))
    send(database, reading(6, 1))
    assert the_alert(database).acknowledged
    send(database, reading(30, 2))
    assert (the_alert(database).acknowledged, the_alert(database).silenced_by) == (False, "controller-1")
    assert logged(database)[-2:] == ["rose", "asked_again"]


def test_a_silence_is_ended_once(database: Database) -> None:
    send(database, reading(6))
    with pytest.raises(NotSilenced):
        act(database, handling.unsilence_alert)
    act(database, handling.silence_alert, until=NOON + timedelta(minutes=10))
    act(database, handling.unsilence_alert)
    with pytest.raises(NotSilenced):
        act(database, handling.unsilence_alert)
    act(database, handling.silence_alert, until=NOON + timedelta(minutes=10))
    with pytest.raises(NotSilenced):
        act(database, handling.unsilence_alert, 10)


def test_to_end_the_silence_of_an_alert_that_is_gone_ends_it_for_the_one_that_stands(database: Database) -> None:
    send(database, reading(6))
    old = the_alert(database).id
    act(database, handling.silence_alert, until=NOON + timedelta(hours=1))
    send(database, reading(0, 1), reading(6, 2))
    (now,) = standing(database)
    assert now.id != old
    assert now.silenced_until
    with database.begin() as session:
        handling.unsilence_alert(session, alert_id=old, by="controller-1", at=NOON + timedelta(minutes=3))
    assert standing(database)[0].silenced_until is None


def test_a_silenced_gauge_that_flaps_stays_silenced_until_its_end(database: Database) -> None:
    send(database, reading(26))
    act(database, handling.silence_alert, until=NOON + timedelta(minutes=10), note="Known.")
    send(database, *(reading(value, minute) for minute, value in enumerate([0, 7, 0, 26], start=1)))
    (now,) = standing(database)
    assert (now.silenced_by, now.silence_reason) == ("controller-1", "Known.")
    send(database, reading(0, 11), reading(26, 12))
    assert standing(database)[0].silenced_by is None


def test_a_silenced_gauge_that_comes_back_worse_is_heard_and_stays_so(database: Database) -> None:
    send(database, reading(6))
    act(database, handling.silence_alert, until=NOON + timedelta(hours=1))
    send(database, reading(0, 1), reading(26, 2))
    assert standing(database)[0].silenced_until is None
    send(database, reading(0, 3), reading(6, 4))
    assert standing(database)[0].silenced_until is None


# Silent gauges


def test_a_late_gauge_is_an_alert_of_its_own_and_shows_no_level(database: Database) -> None:
    change(database, expected_every_s=60)
    send(database, reading(26))
    assert watch(database, 2) == []
    assert watch(database, 3) == ["g"]
    flood, silence = sorted(standing(database), key=lambda each: each.since)
    assert (flood.kind, silence.kind, silence.severity) == ("water_level", SILENCE, Severity.SEVERE)
    assert silence.since == NOON + timedelta(seconds=130)
    assert silence.order_category is None
    assert told(database)[-2:] == ["alert_raised", "sensor_silent"]
    samples = shown(database, 3)
    assert samples["waywarden_sensors_silent", ("district", "south"), ("kind", "water_level")] == 1
    assert samples["waywarden_sensor_last_reading_timestamp_seconds", ("sensor", "g")] == NOON.timestamp()
    assert ("waywarden_water_level_metres", ("sensor", "g")) not in samples
    with pytest.raises(StillThere):
        act(database, handling.clear_alert, 3, silence)
    assert watch(database, 3) == []
    send(database, reading(27, 4))
    assert [each.kind for each in standing(database)] == ["water_level"]
    samples = shown(database, 4)
    assert samples["waywarden_sensors_silent", ("district", "south"), ("kind", "water_level")] == 0
    assert_recount_agrees(database)


def test_the_alert_of_a_silent_gauge_does_not_fall_while_nothing_is_known(database: Database) -> None:
    change(database, expected_every_s=60)
    send(database, reading(6), reading(4, 1))
    watch(database, 30)
    assert {each.kind for each in standing(database)} == {"water_level", SILENCE}


def test_a_late_delivery_of_old_readings_is_no_sign_of_life(database: Database) -> None:
    change(database, expected_every_s=60)
    send(database, reading(1))
    watch(database, 60)
    with clock.frozen(NOON + timedelta(minutes=60)), database.begin() as session:
        take_readings(session, batch=[reading(2, 10)])
    assert [each.kind for each in standing(database)] == [SILENCE]


def test_a_gauge_that_never_sent_is_silent_after_its_registration(database: Database) -> None:
    register(database, "mute", expected_every_s=60)
    watch(database, 3)
    assert [(each.source, each.since) for each in standing(database)] == [("mute", NOON + timedelta(seconds=130))]
    change(database, "mute", expected_every_s=None)
    assert standing(database) == []


def test_after_a_start_a_gauge_has_time_to_deliver(database: Database) -> None:
    change(database, expected_every_s=60)
    send(database, reading(1))
    assert watch(database, 600, heard_s=100) == []
    assert watch(database, 600, heard_s=121) == ["g"]


def test_silence_is_found_after_our_clock_was_set_back(database: Database) -> None:
    change(database, expected_every_s=60)
    send(database, reading(1, 100_000))
    assert watch(database, 1) == ["g"]
    assert standing(database) == []
    assert watch(database, 4) == ["g"]
    assert [each.kind for each in standing(database)] == [SILENCE]


def test_a_rule_that_names_no_kind_orders_nothing_for_a_silent_gauge(database: Database) -> None:
    with database.begin() as session:
        rules.add_rule(session, name="All", order_category="overflow", priority=1)
    register(database, "mute", expected_every_s=60)
    watch(database, 3)
    assert the_alert(database).order_category is None
    with database.begin() as session:
        rules.add_rule(session, name="Silent", kind=SILENCE, order_category="gauge_dead", priority=1)
    register(database, "mute-2", expected_every_s=60)
    watch(database, 10)
    assert [each.order_category for each in all_alerts(database) if each.source == "mute-2"] == ["gauge_dead"]


def test_a_thousand_sensors_are_looked_at_in_a_few_statements(database: Database) -> None:
    for number in range(200):
        register(database, f"s-{number}", expected_every_s=60)
    send(database, *(reading(1, 1, f"s-{number}") for number in range(200)))
    assert watch(database, 2) == []
    assert len(watch(database, 10)) == 200
    assert len(standing(database, SILENCE)) == 200


# Districts


def district(code: str, west: float, east: float, revision: int = 1, **more: Any) -> AreaChanged:
    ring = [[west, 60.0], [east, 60.0], [east, 60.4], [west, 60.4], [west, 60.0]]
    known: dict[str, Any] = {
        "revision": revision, "happened_at": NOON, "recorded_at": NOON, "level": "district", "code": code, "name": code,
        "west": west, "south": 60.0, "east": east, "north": 60.4, "area_m2": 1e6, "outline": [[ring]],
    }  # fmt: skip
    return AreaChanged(**known | more)


def draw(database: Database, *events: AreaChanged) -> None:
    with database.begin() as session:
        places.keep_areas(session, events)


def district_of(database: Database, code: str) -> str | None:
    with database.read() as session:
        return queries.get_sensor(session, code).district


def test_a_gauge_without_a_district_gets_the_one_that_it_stands_in_whenever_that_is_drawn(database: Database) -> None:
    register(database, "early", district=None)
    send(database, reading(26, 0, "early"))
    assert the_alert(database).district is None
    draw(database, district("west", 24.8, 24.93), district("east", 24.93, 25.1), district("grid", 24, 26, level="grid"))
    register(database, "late", district=None)
    assert [district_of(database, each) for each in ("early", "late", "g")] == ["east", "east", "south"]
    assert (the_alert(database).district, logged(database)) == ("east", ["raised", "moved"])
    assert told(database) == ["alert_raised", "alert_moved"]
    draw(database, district("east", 24.95, 25.1, 3), district("west", 24.8, 24.95, 2), district("east", 24, 24.1, 2))
    assert district_of(database, "early") == "west"
    draw(database, district("west", 24.8, 24.95, 4, outline=None))
    assert district_of(database, "early") == "west"
    assert_recount_agrees(database)


def test_a_gauge_that_is_moved_or_renamed_lies_where_it_stands(database: Database) -> None:
    draw(database, district("west", 24.8, 24.93), district("east", 24.93, 25.1))
    change(database, district=None)
    assert district_of(database, "g") == "east"
    send(database, reading(26))
    change(database, location={"lon": 24.9, "lat": 60.17})
    assert (district_of(database, "g"), the_alert(database).district) == ("west", "west")
    change(database, district="east", location={"lon": 24.925, "lat": 60.17})
    change(database, name="Named")
    assert district_of(database, "g") == "east"
    change(database, district=None, location={"lon": 10.0, "lat": 10.0})
    assert district_of(database, "g") is None
    assert_recount_agrees(database)


def test_a_district_that_the_city_does_not_have_is_refused_once_it_has_any(database: Database) -> None:
    register(database, "before", district="nowhere")
    draw(database, district("east", 24.93, 25.1))
    with pytest.raises(UnknownDistrict):
        register(database, "after", district="nowhere")
    with pytest.raises(UnknownDistrict):
        change(database, district="nowhere")
    register(database, "after", district="east")


def test_a_district_far_from_its_gauge_is_refused_and_one_across_the_river_is_taken(database: Database) -> None:
    draw(database, district("west", 24.8, 24.93), district("east", 24.93, 25.1), district("far", 25.2, 25.3))
    with pytest.raises(FarFromDistrict, match="outside the district far"):
        register(database, "slip", district="far", location={"lon": 24.94, "lat": 60.17})
    register(database, "river", district="west", location={"lon": 24.935, "lat": 60.17})
    assert district_of(database, "river") == "west"
    with pytest.raises(FarFromDistrict):
        change(database, "river", district="far")
    assert district_of(database, "river") == "west"


def test_a_gauge_whose_numbers_are_swapped_is_refused_and_one_up_the_river_is_taken(database: Database) -> None:
    register(database, "early", district=None, location={"lon": 60.17, "lat": 25.0})
    draw(database, district("east", 24.93, 25.1))
    with pytest.raises(PlaceSwapped, match=r"lon 25, lat 60\.17 lies in the district east"):
        register(database, "slip", location={"lon": 60.17, "lat": 25.0})
    with pytest.raises(PlaceSwapped):
        register(database, "slip", district="east", location={"lon": 60.17, "lat": 25.0})
    register(database, "up the river", district=None, location={"lon": 26.5, "lat": 61.2})
    with pytest.raises(PlaceSwapped):
        change(database, "up the river", location={"lon": 60.17, "lat": 25.0})
    change(database, "early", name="What was taken is not looked at again.")


def test_a_rule_for_a_district_that_the_city_does_not_have_is_refused_once_it_has_any(database: Database) -> None:
    with database.begin() as session:
        early = rules.add_rule(session, name="Early", district="nowhere", order_category="overflow")
    draw(database, district("east", 24.93, 25.1))
    with database.begin() as session:
        rules.change_rule(session, rule_id=early.id, district="nowhere", priority=7)
        rules.add_rule(session, name="East", district="east", order_category="overflow")
        with pytest.raises(UnknownDistrict):
            rules.add_rule(session, name="Late", district="eats", order_category="overflow")
        with pytest.raises(UnknownDistrict):
            rules.change_rule(session, rule_id=early.id, district="eats")


def test_a_rule_for_a_category_that_the_catalogue_does_not_have_is_refused_once_it_is_known(database: Database) -> None:
    with database.begin() as session:
        early = rules.add_rule(session, name="Early", order_category="overflov")
        categories.keep_catalogue(session, [published(2, "overflow", "lamp_out"), published(1, "overflov")])
        categories.keep_catalogue(session, [published(1, "overflov")])
    with database.begin() as session:
        rules.change_rule(session, rule_id=early.id, order_category="overflov", priority=7)
        rules.add_rule(session, name="Nothing", order_category=None)
        rules.add_rule(session, name="Late", order_category="overflow")
        with pytest.raises(UnknownCategory):
            rules.add_rule(session, name="Slip", order_category="overflov")
        with pytest.raises(UnknownCategory):
            rules.change_rule(session, rule_id=early.id, order_category="overflovv")


def published(revision: int, *codes: str) -> CataloguePublished:
    return CataloguePublished(
        revision=revision,
        happened_at=NOON,
        recorded_at=NOON,
        name="city",
        catalogue={"categories": dict.fromkeys(codes)},
    )


def test_holes_and_parts_of_a_district_count_and_a_quay_belongs_to_it(database: Database) -> None:
    def ring(west: float, south: float, size: float) -> list[list[float]]:
        east, north = west + size, south + size
        return [[west, south], [east, south], [east, north], [west, north], [west, south]]

    parts = [[ring(24.0, 60.0, 0.5), ring(24.2, 60.2, 0.1)], [ring(25.0, 60.0, 0.1)]]
    draw(database, district("d", 24.0, 25.1, outline=parts))
    places_of = {"in": (24.1, 60.1), "hole": (24.25, 60.25), "part": (25.05, 60.05), "quay": (25.1003, 60.05)}
    for code, (longitude, latitude) in places_of.items():
        register(database, code, district=None, location={"lon": longitude, "lat": latitude})
    assert [district_of(database, each) for each in places_of] == ["d", None, "d", "d"]


# Rain


def rain_of(database: Database, code: str, minute: float = 0) -> float:
    assert_recount_agrees(database)
    metres = shown(database, minute).get(("waywarden_rain_metres_total", ("sensor", code)), 0)
    return round(metres * 1000, 3)


@pytest.mark.parametrize(
    ("sensor", "values", "fell_mm"),
    [
        ({"unit": "mm"}, [0.2, 0, 0.4], 0.6),
        ({"unit": "mm", "sends": "counter"}, [1352.4, 1352.5, 1352.5, 1352.8], 0.4),
        ({"unit": "mm", "sends": "counter"}, [5.0, 5.4, 0, 0.2], 0.6),
        ({"unit": "mm", "sends": "counter"}, [99.8, 0.2, 0.4], 0.4),
        ({"unit": "mm", "sends": "counter"}, [10.0, 9.98, 10.0], 0.02),
        ({"unit": "in", "sends": "counter"}, [1.0, 1.5], 12.7),
        ({"unit": "mm/h"}, [12, 12, 12, 12, 12, 12, 12], 12.0),
        ({"unit": "mm/min"}, [0, 0.2, 0], 2.0),
    ],
)
def test_rain_is_summed_as_the_gauge_sends_it(
    database: Database, sensor: dict[str, Any], values: list[float], fell_mm: float
) -> None:
    register(database, "r", kind="rain", thresholds=[], **sensor)
    sent = [reading(value, 10 * number, "r") for number, value in enumerate(values)]
    send(database, *sent[1::2])  # late, out of order and again: the sum is the same
    send(database, *sent)
    send(database, *sent[::2])
    assert rain_of(database, "r", 60) == fell_mm


def test_an_intensity_does_not_rain_on_while_nothing_comes(database: Database) -> None:
    register(database, "r", kind="rain", unit="mm/h", thresholds=[], expected_every_s=300)
    send(database, reading(6, 0, "r"), reading(6, 600, "r"))
    assert rain_of(database, "r", 600) == round(6 * 610 / 3600, 3)


def test_a_counter_that_leaps_is_doubted_and_another_gauge_is_no_rain(database: Database) -> None:
    register(database, "r", kind="rain", unit="mm", sends="counter", thresholds=[])
    taken = send(database, reading(100, 0, "r"), reading(9_000, 5, "r"), reading(100.2, 10, "r"))
    assert [each["code"] for each in taken.rejected] == ["leap"]
    assert rain_of(database, "r", 10) == 0.2
    send(database, reading(9_000, 15, "r"), reading(9_000.2, 20, "r"), reading(9_000.4, 25, "r"))
    assert rain_of(database, "r", 25) == 0.4


def test_a_gauge_that_was_said_to_send_otherwise_is_counted_anew(database: Database) -> None:
    register(database, "r", kind="rain", unit="mm", thresholds=[])
    send(database, reading(1352.4, 0, "r"), reading(1352.8, 5, "r"))
    assert rain_of(database, "r", 5) == 2705.2
    change(database, "r", sends="counter")
    assert rain_of(database, "r", 5) == 0.4


def test_nothing_that_was_done_is_unknown_to_the_log() -> None:
    assert {str(each) for each in Action} == {
        "raised", "rose", "fell", "acknowledged", "asked_again", "escalated", "silenced", "unsilenced",
        "moved", "cleared",
    }  # fmt: skip


def test_levels_of_two_sensors_do_not_mix(database: Database) -> None:
    register(database, "h", thresholds=LEVELS)
    send(database, reading(26), reading(1, 0, "h"))
    assert [each.source for each in standing(database)] == ["g"]
