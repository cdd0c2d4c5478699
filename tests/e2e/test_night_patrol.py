"""A patrol's look at lamps: the sampled light-on ratio, and findings for the dark ones."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.client import System, Thing, wait_for
from tests.conftest import Either, await_quiet, prove_sums
from tests.figures import Looks, Watch
from tests.story import Cast, LampStory, check_lamps, last_day, last_night, order_of

DISTRICT = "southwest"


def fresh_lamps(cast: Cast, count: int) -> list[str]:
    """Codes of intact lamps at which nobody has looked."""
    lamps = cast.operator.items("/facilities", kind="street_light", condition="intact", district=DISTRICT, limit=1000)
    codes = [lamp["code"] for lamp in lamps if lamp["last_look_at"] is None]
    assert len(codes) >= count
    return codes[:count]


def outcomes(check: Thing) -> dict[str, str]:
    return {lamp["facility_code"]: lamp["outcome"] for lamp in check["lamps"]}


def test_a_night_patrol_moves_the_ratio_and_reports_dark_lamps(running: Either, system: System, cast: Cast) -> None:
    looks, watch = Looks(system, DISTRICT), Watch(system, DISTRICT)
    *lit, dark, reported = fresh_lamps(cast, 5)
    story = LampStory(cast, cast.operator.get(f"/facilities/{reported}"))
    story.report()
    story.await_order()
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)

    check = check_lamps(cast.inspector, last_night(), lit=lit, dark=[dark, reported])
    assert check["within_lighting_hours"]
    assert outcomes(check) == dict.fromkeys(lit, "lit") | {dark: "finding", reported: "already_reported"}
    by_code = {lamp["facility_code"]: lamp["finding_id"] for lamp in check["lamps"]}
    assert by_code[reported] == story.finding_id
    looks.moved(checked=5, lit=3)
    watch.moved(findings=2, intact=-2, defective=2, dispatched=2)

    again = check_lamps(cast.inspector, last_night(), lit=lit, dark=[dark, reported])
    assert outcomes(again)[dark] == "already_reported"
    await_quiet(system)
    watch.moved(findings=2, intact=-2, defective=2, dispatched=2)
    looks.moved(checked=5, lit=3)

    order = wait_for(lambda: order_of(cast.dispatcher, finding_id=by_code[dark]), "the order of the dark lamp")
    assert (order["source"], order["facility_code"]) == ("patrol", dark)
    prove_sums(running, system)


def test_looks_by_day_do_not_count(running: Either, system: System, cast: Cast) -> None:
    looks, watch = Looks(system, DISTRICT), Watch(system, DISTRICT)
    lit, dark = fresh_lamps(cast, 2)
    check = check_lamps(cast.inspector, last_day(), lit=[lit], dark=[dark])
    assert not check["within_lighting_hours"]
    assert outcomes(check) == {lit: "lit", dark: "outside_lighting_hours"}
    by_night = check_lamps(
        cast.inspector, last_night(), lit=[lit], dark=[]
    )  # comes after, so that we know when to look
    assert outcomes(by_night) == {lit: "lit"}
    looks.moved(checked=1, lit=1)
    watch.moved()
    prove_sums(running, system)


def follow_schedule(cast: Cast, lamp: str, code: str, hours: Thing | None = None) -> None:
    """Let a lamp follow a schedule from now on, which is a new one where hours are given."""
    if hours is not None:
        body = {"code": code, "kinds": ["landscape_light"], "districts": [DISTRICT], "hours": hours}
        cast.operator.post("/lighting-schedules", body)
    cast.operator.patch(f"/facilities/{lamp}", {"attributes": {"lighting_schedule": code}})


def test_each_lamp_goes_by_its_own_schedule_at_any_hour(running: Either, system: System, cast: Cast) -> None:
    looks, watch = Looks(system, DISTRICT), Watch(system, DISTRICT)
    resting, burning = fresh_lamps(cast, 2)
    follow_schedule(cast, resting, "always-off", {"burns": "off"})
    follow_schedule(cast, burning, "always-on", {"on_at": "12:00", "off_at": "11:59"})

    check = check_lamps(cast.inspector, datetime.now(UTC), lit=[], dark=[resting, burning, "no-such-lamp"])
    assert outcomes(check) == {
        resting: "outside_lighting_hours", burning: "finding", "no-such-lamp": "unknown_lamp",
    }  # fmt: skip
    reasons = [lamp["reason"] for lamp in check["lamps"]]
    assert "always-off" in reasons[0]
    assert reasons[1] is None
    assert reasons[2].startswith("unknown-lamp: ")
    assert (check["within_lighting_hours"], check["lamps_planned"]) == (True, 1)

    found = check["lamps"][1]["finding_id"]
    order = wait_for(lambda: order_of(cast.dispatcher, finding_id=found), "the order of the dark lamp")
    assert order["facility_code"] == burning
    await_quiet(system)
    looks.moved(checked=1, lit=0)
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    for code in (resting, "no-such-lamp"):
        assert list(cast.dispatcher.items("/findings", facility_code=code)) == []
    prove_sums(running, system)
    follow_schedule(cast, resting, "city")


def test_the_latest_look_counts(system: System, cast: Cast) -> None:
    looks = Looks(system, DISTRICT)
    (lamp,) = fresh_lamps(cast, 1)
    check = check_lamps(cast.inspector, last_night(), lit=[], dark=[lamp])
    looks.moved(checked=1, lit=0)
    story = LampStory(cast, cast.operator.get(f"/facilities/{lamp}"), check["lamps"][0]["finding_id"])
    story.await_order()
    story.void("unfounded")
    story.await_finding("rejected")
    check_lamps(cast.inspector, last_night(), lit=[lamp], dark=[])
    looks.moved(checked=1, lit=1)


def test_rates_are_shown_with_their_terms(system: System, cast: Cast) -> None:
    check_lamps(cast.inspector, last_night(), lit=fresh_lamps(cast, 1), dark=[])
    await_quiet(system)
    looks = Looks(system, DISTRICT)
    shown = cast.manager.get("/rates", by="district", rate="light_on_sampled", kind="street_light")["items"]
    (mine,) = [rate for rate in shown if rate["key"] == DISTRICT and rate["kind"] == "street_light"]
    wait_for(lambda: looks.read() == (mine["denominator"], mine["numerator"]), lambda: f"{mine}, {looks.read()}")
    assert mine["window_days"] == 30
    assert mine["definition"]["zh"]
