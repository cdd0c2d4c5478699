"""One lamp, reported twice in different ways: one defect, one order, and both reporters see what became of theirs."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from shared import clock
from tests.client import API, System, Thing, wait_for
from tests.conftest import Either, await_quiet, prove_sums
from tests.figures import Watch
from tests.story import Cast, LampStory, finding, order_of

DISTRICT = "northeast"


def told(cast: Cast, lamp: Thing, named: str | None, reporter: str, **other: str) -> Thing:
    """A patrol's report of the lamp, by its place alone or by a code."""
    body = finding(lamp, str(uuid4()), **other)
    body.pop("facility_code")
    if named:
        body["facility_code"] = named
    return cast.system.user("inspector", reporter).post("/findings", body)  # type: ignore[no-any-return]


def seen_by(cast: Cast, reporter: str, finding_id: str) -> Thing:
    return cast.system.user("inspector", reporter).get(f"/findings/{finding_id}")  # type: ignore[no-any-return]


def open_orders(cast: Cast, code: str) -> list[Thing]:
    found = cast.dispatcher.items("/work-orders", limit=1000)
    return [each for each in found if each["facility_code"] == code and each["state"] not in ("closed", "void")]


@pytest.mark.parametrize("ways", [("place", "place"), ("place", "code"), ("code", "place"), ("old", "new")])
def test_a_lamp_that_is_reported_in_two_ways_has_one_order_and_is_intact_after_it(
    running: Either, system: System, cast: Cast, ways: tuple[str, str]
) -> None:
    (lamp,) = cast.lamps(1, district=DISTRICT)
    codes: dict[str, str | None] = {"place": None, "code": lamp["code"], "old": lamp["code"], "new": lamp["code"]}
    if "new" in ways:
        codes["new"] = f"{lamp['code']}-{uuid4().hex[:4]}"
        cast.operator.post(f"/facilities/{lamp['code']}/renumber", {"code": codes["new"], "reason": "Survey."})
    watch = Watch(system, DISTRICT)
    first, second = (told(cast, lamp, codes[way], f"inspector-{way}-{n}") for n, way in enumerate(ways))
    others = [f"inspector-{way}-{n}" for n, way in enumerate(ways)]
    await_quiet(system)
    states = {each["id"]: seen_by(cast, who, each["id"]) for each, who in zip((first, second), others, strict=True)}
    merged = next(each for each in states.values() if each["state"] == "merged")
    standing = next(each for each in states.values() if each["state"] == "confirmed")
    assert (merged["merged_into"], merged["standing"]["state"]) == (standing["id"], "confirmed")
    watch.moved(findings=2, intact=-1, defective=1, dispatched=1)
    assert order_of(cast.dispatcher, finding_id=merged["id"]) is None

    story = LampStory(cast, lamp, finding_id=standing["id"])
    story.await_order()
    story.repair(with_photo=False)
    story.await_finding("resolved")
    story.await_condition("intact")
    after = seen_by(cast, others[0] if merged is states[first["id"]] else others[1], merged["id"])
    assert (after["state"], after["standing"]["state"]) == ("merged", "resolved")
    assert after["standing"]["order_number"] == story.number
    watch.moved(findings=2, closed=1)
    prove_sums(running, system)


@pytest.mark.parametrize("how", ["code", "place"])
def test_what_a_patrol_sees_after_the_work_was_done_speaks_against_the_check(
    running: Either, system: System, cast: Cast, how: str
) -> None:
    (lamp,) = cast.lamps(1, district=DISTRICT)
    story = LampStory(cast, lamp)
    story.report()
    story.await_order()
    story.accept()
    story.start()
    story.complete()
    told(cast, lamp, lamp["code"] if how == "code" else None, "inspector-2")
    if how == "place":  # closed before anybody has looked up what lies there, it would be a defect of its own
        await_quiet(system)
    cast.dispatcher.send("POST", f"{API}/work-orders/{story.number}/check", {"passed": True, "note": "By the photo."})
    again = wait_for(
        lambda: order_of(cast.dispatcher, finding_id=story.finding_id, state="dispatched"), "the work again"
    )
    assert again["seen_at"] is not None
    await_quiet(system)
    assert story.facility()["condition"] == "defective"
    assert [each["number"] for each in open_orders(cast, lamp["code"])] == [story.number]
    story.repair(with_photo=False)
    story.await_finding("resolved")
    story.await_condition("intact")
    prove_sums(running, system)


def orders_of(cast: Cast, lamp: Thing) -> list[Thing]:
    """Those of other tests too, whose repairs late word could be about."""
    return cast.dispatcher.get("/work-orders", facility_code=lamp["code"])["items"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["code", "place", "old"])
def test_a_phone_that_syncs_in_the_evening_breaks_nothing_that_was_repaired_since(
    running: Either, system: System, cast: Cast, how: str
) -> None:
    lamp = next(each for each in cast.lamps(20, district=DISTRICT) if not orders_of(cast, each))
    story, seen_at = LampStory(cast, lamp), clock.now() - timedelta(minutes=6)
    story.play(with_photo=False)
    if how == "old":
        new = {"code": f"{lamp['code']}-{uuid4().hex[:4]}", "reason": "Survey."}
        cast.operator.post(f"/facilities/{lamp['code']}/renumber", new)
    watch = Watch(system, DISTRICT)
    late = told(cast, lamp, None if how == "place" else lamp["code"], "inspector-2", found_at=seen_at.isoformat())
    await_quiet(system)
    theirs = seen_by(cast, "inspector-2", late["id"])
    assert (theirs["state"], theirs["merged_into"]) == ("merged", story.finding_id)
    assert (theirs["standing"]["state"], theirs["standing"]["order_number"]) == ("resolved", story.number)
    assert order_of(cast.dispatcher, finding_id=late["id"]) is None
    assert story.facility()["condition"] == "intact"
    watch.moved(findings=1)
    told(cast, lamp, lamp["code"], "inspector-2")
    story.await_condition("defective")
    await_quiet(system)
    prove_sums(running, system)


def test_a_renumbered_lamps_order_and_finding_are_found_by_both_codes(
    running: Either, system: System, cast: Cast
) -> None:
    (lamp,) = cast.lamps(1, district=DISTRICT)
    story, new = LampStory(cast, lamp), f"{lamp['code']}-{uuid4().hex[:4]}"
    story.report()
    story.await_order()
    cast.operator.post(f"/facilities/{lamp['code']}/renumber", {"code": new, "reason": "Survey."})
    await_quiet(system)
    for code in (lamp["code"], new):
        for asked in ({"facility_code": code}, {"q": code}):
            orders = cast.dispatcher.get("/work-orders", **asked)["items"]
            assert [(each["number"], each["facility_code"]) for each in orders] == [(story.number, new)]
            findings = cast.dispatcher.get("/findings", **asked)["items"]
            assert [(each["id"], each["link"]["facility_code"]) for each in findings] == [(story.finding_id, new)]
    story.repair(with_photo=False)
    story.await_finding("resolved")
    await_quiet(system)
    prove_sums(running, system)


def test_an_order_reopened_by_a_call_back_gives_way_to_the_newer_one(
    running: Either, system: System, cast: Cast
) -> None:
    (lamp,) = cast.lamps(1, district=DISTRICT)
    old = LampStory(cast, lamp)
    old.play(with_photo=False)
    new = LampStory(cast, lamp)  # seen after the work was done
    new.report()
    new.await_order()
    said = {"answered": True, "satisfied": False, "note": "It is dark again."}
    cast.operator.post(f"/work-orders/{old.number}/call-back", said)
    void = wait_for(lambda: order_of(cast.dispatcher, finding_id=old.finding_id, state="void"), "one order to be void")
    assert void["void_reason"] == "duplicate"
    merged = old.await_finding("merged")
    assert (merged["merged_into"], merged["standing"]["state"]) == (new.finding_id, "confirmed")
    assert [each["number"] for each in open_orders(cast, lamp["code"])] == [new.number]
    new.repair(with_photo=False)
    new.await_finding("resolved")
    new.await_condition("intact")
    await_quiet(system)
    assert old.finding()["state"] == "merged"
    prove_sums(running, system)
