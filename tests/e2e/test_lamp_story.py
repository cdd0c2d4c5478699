"""A dark lamp, from the report to the repaired facility, with every figure on the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from tests.client import System, wait_for
from tests.conftest import Either, prove_sums
from tests.figures import Watch
from tests.story import Cast, LampStory, finding, order_of, picture


def story_of(cast: Cast, district: str = "southeast") -> LampStory:
    return LampStory(cast, cast.lamps(1, district=district)[0])


def test_a_dark_lamp_is_reported_repaired_and_counts_again(running: Either, system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])

    reported = story.report()
    assert reported["state"] == "confirmed"
    order = story.await_order()
    assert order["facility_code"] == story.lamp["code"]
    assert order["crew"] == "crew-southeast"
    assert order["rule"] == "crew of the district"
    assert due_in_hours(order) == order["limit"]["amount"] == 24
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    linked = wait_for(lambda: story.finding()["link"]["state"] == "code" and story.finding(), "the link")
    assert linked["link"]["facility_code"] == story.lamp["code"]
    assert story.facility()["condition"] == "defective"

    assert story.accept()["state"] == "accepted"
    watch.moved(findings=1, intact=-1, defective=1, accepted=1)
    assert story.start()["state"] == "in_progress"
    watch.moved(findings=1, intact=-1, defective=1, in_progress=1)

    photo = story.take_photo()
    done = story.complete(note="Lamp and fuse replaced.")
    assert done["note"] == "Lamp and fuse replaced."
    assert done["photos"] == [{"sha256": photo, "state": "stored", "stage": "done"}]
    watch.moved(findings=1, intact=-1, defective=1, completed=1)

    assert story.check()["state"] == "closed"
    assert story.await_finding("resolved")["order_number"] == story.number
    assert story.await_condition("intact")["defective"] == 0
    watch.moved(findings=1, closed=1)
    assert [move["move"] for move in story.order["moves"]] == [
        "register", "dispatch", "accept", "start", "complete", "pass_check",
    ]  # fmt: skip
    prove_sums(running, system)


def due_in_hours(order: dict[str, str]) -> float:
    return (datetime.fromisoformat(order["due_at"]) - datetime.fromisoformat(order["registered_at"])) / timedelta(
        hours=1
    )


def test_the_life_of_the_lamp_tells_what_happened(cast: Cast) -> None:
    story = story_of(cast)
    story.play()
    told = [deed["what"] for deed in cast.operator.items(f"/facilities/{story.lamp['code']}/history")]
    assert told[-2:] == ["defect_recorded", "defect_restored"]


def test_a_changed_rule_sends_the_next_order_elsewhere(cast: Cast) -> None:
    rule = cast.operator.post(
        "/dispatch-rules",
        {"id": str(uuid4()), "name": f"lamps of the south-east {uuid4().hex[:6]}", "priority": 5,
         "category": "lamp_out", "district": "southeast", "crew": "crew-northwest"},
    )  # fmt: skip
    path = f"/dispatch-rules/{rule['id']}"
    try:
        first = story_of(cast)
        first.report()
        order = first.await_order()
        assert (order["crew"], order["rule"]) == ("crew-northwest", rule["name"])
        changed = cast.operator.patch(path, {"crew": "crew-southwest"}, If_Match='"1"')
        assert changed["revision"] == 2
        second = story_of(cast)
        second.report()
        assert second.await_order()["crew"] == "crew-southwest"
        assert order_of(cast.dispatcher, finding_id=first.finding_id)["crew"] == "crew-northwest"  # type: ignore[index]
    finally:
        cast.operator.delete(path)
    third = story_of(cast)
    third.report()
    assert third.await_order()["crew"] == "crew-southeast"
    for story in (first, second, third):
        story.repair(with_photo=False)
        story.await_condition("intact")


def test_rework_goes_back_to_the_crew_and_is_counted(running: Either, system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])
    story.report()
    story.await_order()
    story.accept()
    story.start()
    story.complete("Fuse replaced.")
    again = story.check(passed=False, note="Still dark.")
    assert (again["state"], again["rework_count"], again["crew"]) == ("dispatched", 1, "crew-southeast")
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    story.repair()
    story.await_finding("resolved")
    watch.moved(findings=1, closed=1)
    prove_sums(running, system)


def test_an_unsatisfied_call_back_opens_everything_again(running: Either, system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])
    story.play(with_photo=False)
    watch.moved(findings=1, closed=1)
    said = {"answered": True, "satisfied": False, "note": "It is dark again."}
    assert cast.operator.post(f"/work-orders/{story.number}/call-back", said)["state"] == "dispatched"
    story.await_finding("confirmed")
    story.await_condition("defective")
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    story.await_order()
    story.repair(with_photo=False)
    story.await_finding("resolved")
    watch.moved(findings=1, closed=1)
    prove_sums(running, system)


def test_an_unfounded_order_lifts_the_defect(running: Either, system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])
    story.report()
    story.await_order()
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    assert story.void("unfounded")["state"] == "void"
    assert story.await_finding("rejected")["reason"] == "unfounded"
    watch.moved(findings=1, void=1)
    assert story.facility()["condition"] == "intact"
    prove_sums(running, system)


def test_an_order_that_was_handed_over_leaves_the_defect(running: Either, system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])
    story.report()
    story.await_order()
    story.void("handed_over")
    watch.moved(findings=1, intact=-1, defective=1, void=1)
    prove_sums(running, system)
    assert story.finding()["state"] == "confirmed"
    assert story.facility()["condition"] == "defective"


def test_a_crew_hands_an_order_back_and_another_gets_it(cast: Cast) -> None:
    story = story_of(cast)
    story.report()
    story.await_order()
    declined = story.crew.post(f"/work-orders/{story.number}/decline", {"reason": "The pole is the tram company's."})
    assert (declined["state"], declined["crew"]) == ("registered", None)
    story.order = cast.dispatcher.post(f"/work-orders/{story.number}/dispatch", {"crew": "crew-northeast"})
    assert (story.order["state"], story.order["rule"]) == ("dispatched", "")
    story.repair(with_photo=False)
    story.await_condition("intact")


def test_a_photo_that_is_not_there_yet_is_awaited(cast: Cast) -> None:
    from hashlib import sha256

    from tests.story import store_photo

    story, content = story_of(cast), picture()
    digest = sha256(content).hexdigest()
    cast.inspector.post("/findings", finding(story.lamp, story.finding_id, photos=[digest]))
    story.await_order()
    shown = cast.dispatcher.get(f"/work-orders/{story.number}")["photos"]
    assert shown == [{"sha256": digest, "state": "awaited", "stage": "reported"}]
    store_photo(cast.inspector, content)
    shown = cast.dispatcher.get(f"/work-orders/{story.number}")["photos"]
    assert shown == [{"sha256": digest, "state": "stored", "stage": "reported"}]
    assert story.crew.send("GET", f"/api/v1/photos/{digest}").content == content
    story.repair(with_photo=False)
    story.await_condition("intact")


def test_the_same_report_sent_again_has_no_second_effect(system: System, cast: Cast) -> None:
    story = story_of(cast)
    watch = Watch(system, story.lamp["district"])
    body = finding(story.lamp, story.finding_id)
    answers = [cast.inspector.send("POST", "/api/v1/findings", body) for _ in range(3)]
    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    story.await_order()
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    story.repair(with_photo=False)
    story.await_finding("resolved")
    watch.moved(findings=1, closed=1)
