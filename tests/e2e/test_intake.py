"""Reports that are not a patrol's own, and reports whose facility is not known."""

from __future__ import annotations

from uuid import uuid4

from tests.client import System, Thing, wait_for
from tests.conftest import Either, await_quiet, prove_sums
from tests.figures import Watch
from tests.story import Cast, LampStory, finding, order_of

NOWHERE = {"lon": 24.9, "lat": 60.0}  # of the city, at sea, far from every facility


def linked(cast: Cast, finding_id: str) -> Thing:
    """The finding, once assets has said what it hangs on."""

    def look() -> Thing | None:
        found: Thing = cast.dispatcher.get(f"/findings/{finding_id}")
        return found if found["link"]["state"] != "awaited" else None

    return wait_for(look, f"finding {finding_id} to be linked")


def test_a_hotline_report_waits_until_somebody_confirms_it(running: Either, system: System, cast: Cast) -> None:
    story = LampStory(cast, cast.lamps(1, district="northwest")[0], source="hotline")
    watch = Watch(system, "northwest", source="hotline")
    assert story.report()["state"] == "reported"
    await_quiet(system)
    watch.moved(findings=1)
    assert order_of(cast.dispatcher, finding_id=story.finding_id) is None
    confirmed = cast.operator.post(f"/findings/{story.finding_id}/confirm", {"note": "The caller sent a picture."})
    assert confirmed["state"] == "confirmed"
    story.await_order()
    watch.moved(findings=1, intact=-1, defective=1, dispatched=1)
    story.repair(with_photo=False)
    story.await_finding("resolved")
    watch.moved(findings=1, closed=1)
    prove_sums(running, system)


def test_a_rejected_report_has_no_consequence(system: System, cast: Cast) -> None:
    story = LampStory(cast, cast.lamps(1, district="northwest")[0], source="citizen")
    watch = Watch(system, "northwest", source="citizen")
    story.report()
    rejected = cast.operator.post(f"/findings/{story.finding_id}/reject", {"reason": "The lamp burns on the picture."})
    assert (rejected["state"], rejected["reason"]) == ("rejected", "The lamp burns on the picture.")
    await_quiet(system)
    watch.moved(findings=1)
    assert story.facility()["condition"] == "intact"


def test_a_second_report_of_the_same_lamp_is_merged(system: System, cast: Cast) -> None:
    story = LampStory(cast, cast.lamps(1, district="northwest")[0])
    watch = Watch(system, "northwest")
    story.report()
    again = cast.inspector.post("/findings", finding(story.lamp, str(uuid4())))
    assert (again["state"], again["merged_into"]) == ("merged", story.finding_id)
    story.await_order()
    await_quiet(system)
    watch.moved(findings=2, intact=-1, defective=1, dispatched=1)
    assert order_of(cast.dispatcher, finding_id=again["id"]) is None
    story.repair(with_photo=False)
    story.await_finding("resolved")
    watch.moved(findings=2, closed=1)


def test_an_unknown_code_is_linked_by_place(cast: Cast) -> None:
    story = LampStory(cast, cast.lamps(1, district="northwest")[0])
    body = finding(story.lamp, story.finding_id, facility_code="LAMP-OF-NOBODY")
    assert cast.inspector.post("/findings", body)["link"] == {"state": "awaited", "facility_code": None}
    link = linked(cast, story.finding_id)["link"]
    assert link["state"] == "place"
    order = story.await_order()
    assert order["facility_code"] == link["facility_code"]
    story.lamp = cast.operator.get(f"/facilities/{link['facility_code']}")
    assert story.lamp["kind"] in ("street_light", "landscape_light")
    story.repair(with_photo=False)
    story.await_condition("intact")


def test_an_unknown_code_far_from_everything_stays_unlinked_and_still_becomes_an_order(
    running: Either, system: System, cast: Cast
) -> None:
    watch = Watch(system, "", kind="street_light", category="pothole")
    number = str(uuid4())
    body = {
        "id": number, "category": "pothole", "facility_code": "ROAD-OF-NOBODY", "location": NOWHERE,
        "severity": "serious", "quantity": 12.5, "description": "Deep.", "source": "patrol",
        "found_at": "2026-03-01T12:00:00+02:00", "photos": [],
    }  # fmt: skip
    cast.inspector.post("/findings", body)
    assert linked(cast, number)["link"] == {"state": "none", "facility_code": None}
    order = wait_for(lambda: order_of(cast.dispatcher, finding_id=number), "an order")
    assert (order["facility_code"], order["state"], order["crew"]) == (None, "registered", None)
    watch.moved(findings=1, registered=1)
    cast.dispatcher.post(f"/work-orders/{order['number']}/void", {"reason": "unfounded", "note": "There is only sea."})
    watch.moved(findings=1, void=1)
    prove_sums(running, system)
