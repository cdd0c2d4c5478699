"""A water level that crosses its threshold, from the first sample to the cleared alert."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.auth import User
from tests.client import API, System, Thing, wait_for
from tests.conftest import Either, prove_sums
from tests.story import Cast, GaugeStory, alert_rule, new_gauge, order_of

DISTRICT = "northeast"


@pytest.fixture
def rule(cast: Cast) -> Iterator[Thing]:
    """Severe levels of one district open an order of a category of their own, lesser ones none, during the test."""
    severe = alert_rule(cast.admin, DISTRICT, severity="severe", category="overflow")
    lesser = alert_rule(cast.admin, DISTRICT, severity="minor", category=None, priority=11)
    yield severe
    for made in (severe, lesser):
        cast.admin.patch(f"/rules/{made['id']}", {"enabled": False})


@pytest.fixture
def story(cast: Cast) -> GaugeStory:
    return GaugeStory(cast, new_gauge(cast.admin, DISTRICT))


def active(system: System, severity: str, acknowledged: bool) -> float:
    labels = {"kind": "water_level", "district": DISTRICT, "severity": severity}
    return system.count("alerts", "waywarden_alerts_active", **labels, acknowledged=str(acknowledged).lower())


def orders(system: System) -> float:
    return system.count("workorders", "waywarden_work_orders", category="overflow", district=DISTRICT)


def level(system: System, sensor: Thing) -> float | None:
    return system.figure("alerts", "waywarden_water_level_metres", sensor=sensor["code"])


def test_a_rising_level_is_seen_ordered_taken_and_cleared(
    running: Either, system: System, cast: Cast, rule: Thing, story: GaugeStory
) -> None:
    before, waiting, taken = orders(system), active(system, "severe", False), active(system, "severe", True)
    answered = system.count("alerts", "waywarden_alert_acknowledge_seconds_count", severity="severe")
    assert story.read(0.2) == {"accepted": 1, "rejected": []}
    assert level(system, story.sensor) == 0.2
    with cast.controller.stream("/alerts/stream") as stream:
        story.rise()
        seen = stream.wait_for(lambda alert: alert["source"] == story.sensor["code"])
        assert seen.data["state"] == {"active": True, "acknowledged": False}
        assert seen.data["severity"] == "severe"
        alert = story.find_alert()
        assert alert["id"] == seen.data["id"]
        assert (active(system, "severe", False), active(system, "severe", True)) == (waiting + 1, taken)
        assert level(system, story.sensor) == story.high

        order = story.await_order()
        assert (order["category"], order["severity"], order["source"]) == ("overflow", "emergency", "sensor")
        assert order["crew"] == f"crew-{DISTRICT}"
        assert orders(system) == before + 1

        story.acknowledge()
        stream.wait_for(lambda alert: alert["id"] == story.alert_id and alert["state"]["acknowledged"])
        assert (active(system, "severe", False), active(system, "severe", True)) == (waiting, taken + 1)
        assert system.count("alerts", "waywarden_alert_acknowledge_seconds_count", severity="severe") == answered + 1

        story.fall()
        stream.wait_for(lambda alert: alert["id"] == story.alert_id and not alert["state"]["active"])
    assert (active(system, "severe", False), active(system, "severe", True)) == (waiting, taken)
    assert [entry["action"] for entry in story.alert()["log"]] == ["raised", "acknowledged", "cleared"]
    assert orders(system) == before + 1
    prove_sums(running, system)


def test_a_level_below_the_rule_opens_no_order(system: System, cast: Cast, rule: Thing, story: GaugeStory) -> None:
    before, waiting = orders(system), active(system, "minor", False)
    story.read(0.6)
    alert = story.find_alert()
    assert (alert["severity"], alert["order_category"]) == ("minor", None)
    assert active(system, "minor", False) == waiting + 1
    other = GaugeStory(cast, new_gauge(cast.admin, DISTRICT))
    other.rise()
    other.find_alert()
    other.await_order()  # so that an order of the first would have come as well
    assert order_of(cast.dispatcher, alert_id=story.alert_id) is None
    assert orders(system) == before + 1
    story.fall()
    other.fall()
    assert active(system, "minor", False) == waiting


def test_readings_that_are_none_are_refused_one_by_one(system: System, cast: Cast, story: GaugeStory) -> None:
    story.read(0.3)
    now = story.at.isoformat()
    batch: list[Thing] = [
        {"sensor": story.sensor["code"], "at": now, "value": -999999},
        {"sensor": story.sensor["code"], "at": now, "value": "5"},
        {"sensor": "gauge-of-nobody", "at": now, "value": 1},
        {"sensor": story.sensor["code"], "at": "2999-01-01T00:00:00+00:00", "value": 1},
    ]
    answer = cast.device.post("/readings", {"readings": batch})
    assert answer["accepted"] == 0
    assert [each["index"] for each in answer["rejected"]] == [0, 1, 2, 3]
    assert level(system, story.sensor) == 0.3


def test_a_stream_resumes_where_it_was_cut(cast: Cast, story: GaugeStory) -> None:
    def mine(alert: Thing) -> bool:
        return bool(alert["source"] == story.sensor["code"])

    with cast.controller.stream("/alerts/stream") as stream:
        story.rise()
        last = stream.wait_for(mine)
    story.fall()
    with cast.controller.stream("/alerts/stream", last_event_id=last.id) as stream:
        assert not stream.wait_for(mine).data["state"]["active"]


def test_a_flood_is_not_cleared_by_hand_and_comes_back_at_its_threshold(cast: Cast, story: GaugeStory) -> None:
    story.rise()
    story.find_alert()
    path = f"{API}/alerts/{story.alert_id}/clear"
    refused = cast.controller.send("POST", path, {"note": "The gauge is being cleaned."})
    assert (refused.status, refused.json()["type"]) == (409, "urn:waywarden:problem:cause-still-there")
    minor = float(story.sensor["thresholds"][0]["at"])
    story.read(minor - 0.01)  # inside the margin
    assert cast.controller.send("POST", path, {}).status == 200
    story.read(minor - 0.01)
    assert cast.controller.get("/alerts", source=story.sensor["code"], active="true")["items"] == []
    story.read(minor)
    wait_for(lambda: story.find_alert()["state"]["active"], "a new alert")
    story.fall()


def test_worse_asks_again_and_breaks_a_silence(cast: Cast, story: GaugeStory) -> None:
    story.read(0.6)
    path = f"/alerts/{story.find_alert()['id']}"
    until = (story.at + timedelta(hours=1)).isoformat()
    story.acknowledge()
    silenced = cast.controller.post(f"{path}/silence", {"until": until, "note": "Known."})
    assert (silenced["silenced_by"], silenced["silence_reason"]) == (silenced["acknowledged_by"], "Known.")
    story.read(2.5)
    waiting = cast.controller.get("/alerts", source=story.sensor["code"], acknowledged="false", silenced="false")
    assert [each["id"] for each in waiting["items"]] == [story.alert_id]
    assert cast.controller.send("POST", f"{API}{path}/unsilence", {}).status == 409
    story.acknowledge()
    cast.controller.post(f"{path}/silence", {"until": until})
    assert cast.controller.post(f"{path}/unsilence", {})["silenced_until"] is None
    story.fall()


def test_a_gauge_that_sends_nothing_is_an_alert(system: System, cast: Cast, story: GaugeStory) -> None:
    code = story.sensor["code"]
    cast.admin.patch(f"/sensors/{code}", {"expected_every_s": 1})

    def kinds() -> list[str]:
        return [each["kind"] for each in cast.controller.get("/alerts", source=code, active="true")["items"]]

    wait_for(lambda: kinds() == ["silence"], "the alert of a silent gauge", 60)
    story.read(0.2)
    wait_for(lambda: kinds() == [], "its end")
    cast.admin.patch(f"/sensors/{code}", {"expected_every_s": None})


def test_a_gauge_without_a_district_gets_its_own_and_its_order_follows_what_gets_worse(cast: Cast) -> None:
    story = GaugeStory(cast, new_gauge(cast.admin, None))
    code = story.sensor["code"]
    district = wait_for(lambda: cast.admin.get(f"/sensors/{code}")["district"], "a district")
    refused = cast.admin.send("PATCH", f"{API}/sensors/{code}", {"district": "nowhere"})
    assert (refused.status, refused.json()["type"]) == (422, "urn:waywarden:problem:unknown-district")
    story.read(0.6)
    story.find_alert()
    order = story.await_order()
    assert (order["district"], order["crew"]) == (district, f"crew-{district}")
    assert order["summary"].endswith("0.6 m, minor")
    story.read(2.5)
    wait_for(lambda: story.await_order()["summary"].endswith("2.5 m, critical"), "the order to follow its alert")
    story.fall()


def test_a_stream_ends_with_its_token(system: System) -> None:
    token = system.signing.sign(User("controller-1", "controller"), timedelta(seconds=2))
    with system.client(token).stream("/alerts/stream") as stream:
        wait_for(lambda: stream.has_ended, "the end of the stream", 30)
