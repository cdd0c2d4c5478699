"""Bad input about things that are there: foreign orders, replayed ids, stale readers, moves out of turn, photos."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from deploy.stack import Embedded
from tests.client import API, Answer, System, Thing
from tests.figures import Watch
from tests.story import Cast, LampStory, finding, last_night, new_gauge, picture

POINT = {"type": "Point", "coordinates": [24.94, 60.17]}
SQUARE = {"type": "Polygon", "coordinates": [[[1, 1], [1.1, 1], [1.1, 1.1], [1, 1]]]}


@pytest.fixture(scope="module")
def system(embedded: Embedded) -> Iterator[System]:
    made = System.of(embedded)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cast(system: System) -> Cast:
    return Cast(system)


@pytest.fixture(scope="module")
def story(cast: Cast) -> LampStory:
    """A lamp with an order that its crew has."""
    made = LampStory(cast, cast.lamps(1, district="southeast")[0])
    made.report()
    made.await_order()
    return made


def names(answer: Answer, field: str) -> bool:
    return any(each["field"].split(".")[0] == field for each in answer.json().get("errors", []))


def test_a_crew_neither_sees_nor_moves_another_crews_order(cast: Cast, story: LampStory) -> None:
    stranger, path = cast.crew("crew-northwest"), f"/api/v1/work-orders/{story.number}"
    before = cast.dispatcher.get(f"/work-orders/{story.number}")
    assert stranger.send("GET", path).status in (403, 404)
    assert story.number not in [order["number"] for order in stranger.items("/work-orders")]
    for move, body in {
        "accept": {},
        "decline": {"reason": "Mine."},
        "start": {},
        "complete": {"note": "Done."},
    }.items():
        answer = stranger.send("POST", f"{path}/{move}", body)
        assert answer.status in (403, 404), str(answer)
    assert cast.dispatcher.get(f"/work-orders/{story.number}") == before


def test_an_inspector_sees_only_their_own_findings(system: System, story: LampStory) -> None:
    other = system.user("inspector", "inspector-of-another-street")
    assert other.send("GET", f"{API}/findings/{story.finding_id}").status in (403, 404)
    assert other.get("/findings")["items"] == []


MOVES_OUT_OF_TURN = {
    "start": {}, "complete": {"note": "Done."}, "undo-complete": {}, "check": {"passed": True, "note": ""},
    "dispatch": {"crew": "crew-southeast"}, "call-back": {"answered": False, "note": ""},
}  # fmt: skip


@pytest.mark.parametrize("move", MOVES_OUT_OF_TURN)
def test_a_move_out_of_turn_is_a_conflict(cast: Cast, story: LampStory, move: str) -> None:
    before = cast.dispatcher.get(f"/work-orders/{story.number}")
    answer = cast.admin.send("POST", f"{API}/work-orders/{story.number}/{move}", MOVES_OUT_OF_TURN[move])
    assert (answer.status, answer.json()["type"]) == (409, "urn:waywarden:problem:illegal-move")
    assert cast.dispatcher.get(f"/work-orders/{story.number}") == before


def test_a_move_of_somebody_who_read_an_older_revision_is_stale(cast: Cast, story: LampStory) -> None:
    path = f"{API}/work-orders/{story.number}"
    read = story.crew.send("GET", path)
    assert read.headers["ETag"] == f'"{read.json()["revision"]}"'
    for tag in ('"1"', '"999"', "1", 'W/"2"', "x", '"2", "3"'):
        answer = story.crew.send("POST", f"{path}/accept", {}, headers={"If-Match": tag})
        assert answer.status == 412, (tag, str(answer))
    assert story.crew.send("GET", path).content == read.content


@pytest.mark.parametrize(
    ("path", "body"),
    [("/facilities/{lamp}", {"name": "Another"}), ("/sensors/{sensor}", {"name": "Another"})],
)
def test_a_change_of_what_was_read_before_another_is_stale(
    cast: Cast, story: LampStory, path: str, body: dict[str, str]
) -> None:
    sensor = next(iter(cast.controller.items("/sensors")))["code"]
    target = API + path.format(lamp=story.lamp["code"], sensor=sensor)
    before = cast.admin.send("GET", target).content
    assert cast.admin.send("PATCH", target, body, headers={"If-Match": '"77"'}).status == 412
    assert cast.admin.send("GET", target).content == before


def creations(cast: Cast) -> Iterator[tuple[str, Thing, Thing]]:
    """For each POST that creates: its path, a body, and what makes it another one under the same id."""
    lamp = cast.lamps(1, district="northeast")[0]
    code, now = f"T-{uuid4().hex[:10]}", last_night().isoformat()
    looks = [{"facility_code": lamp["code"], "lit": True}]
    yield "/findings", finding(lamp, str(uuid4()), source="citizen"), {"description": "Something else."}
    yield (
        "/light-checks",
        {"id": str(uuid4()), "checked_at": now, "lamps": looks},
        {"lamps": [{**looks[0], "lit": False}]},
    )
    yield "/dispatch-rules", {"id": str(uuid4()), "name": code, "active": False}, {"priority": 7}
    yield "/rules", {"id": str(uuid4()), "name": code, "enabled": False}, {"priority": 7}
    member = {"id": str(uuid4()), "name": code, "role": "manager", "password": "seven grey herons wait"}
    yield "/members", member, {"role": "operator"}
    yield "/facilities", {"code": code, "kind": "manhole", "name": "", "geometry": POINT}, {"name": "Another"}
    yield "/districts", {"code": code, "name": "", "geometry": SQUARE}, {"name": "Another"}
    yield "/grid-cells", {"code": code, "name": "", "geometry": SQUARE}, {"name": "Another"}
    yield "/crews", {"code": code, "name": "Crew", "districts": [], "kinds": []}, {"name": "Another"}
    sensor = {"code": code, "kind": "rain", "unit": "mm", "location": {"lon": 1, "lat": 1}}
    yield "/sensors", sensor, {"unit": "in"}


def test_an_id_that_was_used_for_something_else_is_a_conflict(cast: Cast) -> None:
    for path, body, other in creations(cast):
        first = cast.admin.send("POST", API + path, body)
        assert first.status == 201, str(first)
        again = cast.admin.send("POST", API + path, body)
        assert (again.status, again.json()) == (201, first.json()), path
        conflict = cast.admin.send("POST", API + path, body | other)
        assert conflict.status == 409, (path, str(conflict))
        assert cast.admin.send("POST", API + path, body).json() == first.json(), path


def test_an_idempotency_key_that_was_used_for_something_else_is_a_conflict(cast: Cast, story: LampStory) -> None:
    key, path = str(uuid4()), f"{API}/work-orders/{story.number}/supervise"
    first = cast.dispatcher.send("POST", path, {"note": "The mayor asked."}, headers={"Idempotency-Key": key})
    again = cast.dispatcher.send("POST", path, {"note": "The mayor asked."}, headers={"Idempotency-Key": key})
    assert (first.status, first.json()) == (again.status, again.json()) == (200, again.json())
    other = cast.dispatcher.send("POST", path, {"note": "Nobody asked."}, headers={"Idempotency-Key": key})
    assert other.status == 409
    moves = cast.dispatcher.get(f"/work-orders/{story.number}")["moves"]
    assert [move["move"] for move in moves].count("supervise") == 1
    long = cast.dispatcher.send("POST", path, {"note": ""}, headers={"Idempotency-Key": "k" * 201})
    assert long.status == 422
    assert names(long, "Idempotency-Key")


def tiff() -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 4)).save(out, "TIFF")
    return out.getvalue()


NO_IMAGES = {
    "empty": b"",
    "text": b"This is no image.",
    "html": b"<html><script>alert(1)</script></html>",
    "a cut PNG": picture()[:60],
    "a JPEG's beginning": b"\xff\xd8\xff\xe0" + b"\x00" * 50,
    "a TIFF": tiff(),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


@pytest.mark.parametrize("what", NO_IMAGES)
def test_what_is_no_image_is_no_photo(cast: Cast, what: str) -> None:
    digest = sha256(NO_IMAGES[what]).hexdigest()
    answer = put_photo(cast, digest, NO_IMAGES[what])
    assert answer.status == 422, str(answer)
    assert cast.admin.send("GET", f"{API}/photos/{digest}").status == 404


def put_photo(cast: Cast, digest: str, content: bytes) -> Answer:
    headers = {"Content-Type": "image/png"}
    return cast.inspector.send("PUT", f"{API}/photos/{digest}", content=content, headers=headers)


def test_bytes_under_another_hash_are_refused(cast: Cast) -> None:
    digest = sha256(b"something else").hexdigest()
    answer = put_photo(cast, digest, picture())
    assert (answer.status, names(answer, "sha256")) == (422, True)
    assert cast.admin.send("GET", f"{API}/photos/{digest}").status == 404


@pytest.mark.parametrize("digest", ["x", "0" * 63, "A" * 64, "..%2f..%2fkeys", "g" * 64])
def test_a_photo_is_named_by_its_hash(cast: Cast, digest: str) -> None:
    assert put_photo(cast, digest, picture()).status in (400, 404, 422)


def test_a_photo_that_would_unpack_into_a_huge_one_is_refused(cast: Cast) -> None:
    out = BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    content = out.getvalue()
    assert len(content) < 2_000_000
    assert put_photo(cast, sha256(content).hexdigest(), content).status in (413, 422)


def reports(cast: Cast) -> dict[str, tuple[Thing, str]]:
    """Findings whose form is right, and what is wrong with them all the same."""
    body = finding(cast.lamps(1, district="northeast")[0], "")
    late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "a category that there is not": ({"category": "lamp_stolen_by_aliens"}, "category"),
        "a source that there is not": ({"source": "rumour"}, "source"),
        "found in the future": ({"found_at": late}, "found_at"),
        "nowhere on earth": ({"location": {"lon": 181, "lat": 0}}, "location"),
        "less than nothing": ({"quantity": -1}, "quantity"),
        "a reserved code": ({"facility_code": "imports"}, "facility_code"),
        "a code with a slash": ({"facility_code": "a/b"}, "facility_code"),
        "too many photos": ({"photos": ["0" * 64] * 21}, "photos"),
    }
    return {what: ({**body, "id": str(uuid4()), **change}, field) for what, (change, field) in changes.items()}


def test_a_report_that_cannot_be_is_refused_and_names_what_is_wrong(system: System, cast: Cast) -> None:
    watch = Watch(system, "northeast")
    for what, (body, field) in reports(cast).items():
        answer = cast.inspector.send("POST", f"{API}/findings", body)
        assert answer.status == 422, (what, str(answer))
        assert names(answer, field), (what, str(answer))
        assert cast.dispatcher.send("GET", f"{API}/findings/{body['id']}").status == 404
    watch.moved()


def test_a_place_outside_the_city_is_refused_and_swapped_numbers_are_called_so(cast: Cast) -> None:
    body = finding(cast.lamps(1)[0], str(uuid4()))
    lon, lat = body["location"]["lon"], body["location"]["lat"]
    for place, hint in (({"lon": lat, "lat": lon}, "swapped"), ({"lon": lon, "lat": lat - 2}, "outside the city")):
        answer = cast.inspector.send("POST", f"{API}/findings", body | {"location": place})
        assert (answer.status, names(answer, "location")) == (422, True)
        assert answer.json()["type"].endswith(":far-from-city")
        assert hint in answer.json()["detail"]
    taken = cast.inspector.post("/findings", body)
    assert taken["place_check"] == "inside"


def test_a_facility_or_a_gauge_whose_numbers_are_swapped_is_refused(cast: Cast) -> None:
    turned = {"type": "Point", "coordinates": POINT["coordinates"][::-1]}
    lamp = {"code": f"swapped-{uuid4()}", "kind": "street_light", "name": "", "geometry": turned}
    there = cast.operator.post("/facilities", lamp | {"geometry": POINT})
    gauge = {"code": "swapped", "kind": "water_level", "unit": "m", "location": {"lon": 60.17, "lat": 24.94}}
    for answer in (
        cast.operator.send("POST", f"{API}/facilities", lamp | {"code": f"swapped-{uuid4()}"}),
        cast.operator.send("PATCH", f"{API}/facilities/{there['code']}", {"geometry": turned}),
        cast.admin.send("POST", f"{API}/sensors", gauge),
    ):
        assert (answer.status, answer.json()["type"]) == (422, "urn:waywarden:problem:swapped-lon-lat")
    elsewhere = {"type": "Point", "coordinates": [8.05, 50.05]}
    cast.operator.post("/facilities", lamp | {"code": f"elsewhere-{uuid4()}", "geometry": elsewhere})


def test_only_an_inspector_speaks_for_a_patrol(cast: Cast) -> None:
    body = finding(cast.lamps(1)[0], str(uuid4()))
    answer = cast.operator.send("POST", f"{API}/findings", body)
    assert (answer.status, names(answer, "source")) == (403, True)


def test_a_lamp_stands_in_a_check_once(cast: Cast) -> None:
    look = {"facility_code": cast.lamps(1)[0]["code"], "lit": True}
    body = {"id": str(uuid4()), "checked_at": last_night().isoformat(), "lamps": [look, look]}
    answer = cast.inspector.send("POST", f"{API}/light-checks", body)
    assert (answer.status, names(answer, "lamps")) == (422, True)
    assert cast.dispatcher.send("GET", f"{API}/light-checks/{body['id']}").status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({"unit": "furlongs"}, "unit"), ({"unit": "mm", "kind": "wind"}, "unit"),
     ({"thresholds": [{"severity": "major", "at": 1}, {"severity": "minor", "at": 2}]}, "thresholds"),
     ({"thresholds": [{"severity": "major", "at": 1}, {"severity": "major", "at": 2}]}, "thresholds"),
     ({"bounds": {"low": 1, "high": 1}}, "bounds"), ({"bounds": {"low": 1}}, "bounds"), ({"sends": "rain"}, "sends"),
     ({"largest_change": {"by": 0, "within_s": 60}}, "largest_change"), ({"sends": "intensity"}, "unit"),
     ({"kind": "wind", "unit": "m/s", "sends": "counter"}, "sends"), ({"sentinels": ["-9"]}, "sentinels"),
     ({"bounds": {"low": 0, "high": 5}, "thresholds": [{"severity": "major", "at": 6}]}, "thresholds")],
)  # fmt: skip
def test_a_sensor_that_cannot_be_is_refused(cast: Cast, body: Thing, field: str) -> None:
    sensor = {"code": f"T-{uuid4().hex[:8]}", "kind": "rain", "unit": "mm", "location": {"lon": 1, "lat": 1}}
    answer = cast.admin.send("POST", f"{API}/sensors", sensor | body)
    assert (answer.status, names(answer, field)) == (422, True), str(answer)
    assert cast.admin.send("GET", f"{API}/sensors/{sensor['code']}").status == 404


def test_an_alert_takes_no_move_twice_and_none_after_its_end(cast: Cast) -> None:
    sensor = new_gauge(cast.admin, "northeast")
    at = datetime.now(UTC)

    def read(value: float, after_ms: int) -> None:
        reading = {"sensor": sensor["code"], "at": (at + timedelta(milliseconds=after_ms)).isoformat(), "value": value}
        cast.device.post("/readings", {"readings": [reading]})

    read(0.6, 0)
    (alert,) = cast.controller.get("/alerts", source=sensor["code"])["items"]
    path = f"{API}/alerts/{alert['id']}"
    far = (at + timedelta(days=30)).isoformat()
    silence = cast.controller.send("POST", f"{path}/silence", {"until": far})
    assert (silence.status, names(silence, "until")) == (422, True)
    assert cast.controller.send("POST", f"{path}/acknowledge", {}).status == 200
    assert cast.controller.send("POST", f"{path}/acknowledge", {}).status == 409
    assert cast.controller.send("POST", f"{path}/clear", {}).status == 409
    read(0, 1)
    for move in ("escalate", "clear", "unsilence"):
        assert cast.controller.send("POST", f"{path}/{move}", {}).status == 409
    (after,) = cast.controller.get("/alerts", source=sensor["code"])["items"]
    assert after["state"] == {"active": False, "acknowledged": True}


def test_an_unknown_crew_gets_no_order(cast: Cast, story: LampStory) -> None:
    path = f"{API}/work-orders/{story.number}/reassign"
    answer = cast.dispatcher.send("POST", path, {"crew": "crew-of-nobody"})
    assert (answer.status, names(answer, "crew")) == (422, True)


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_move_happens_after_its_order_and_not_in_the_future(cast: Cast, story: LampStory, hours: int) -> None:
    at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    answer = story.crew.send("POST", f"{API}/work-orders/{story.number}/accept", {"at": at})
    assert (answer.status, names(answer, "at")) == (422, True)
