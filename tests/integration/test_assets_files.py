"""The file of a facility over HTTP, on both engines: documents, orders, life, labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from pypdfium2 import PdfDocument
from werkzeug.test import TestResponse
from zxingcpp import read_barcodes

from services.assets import figures, use_cases
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.labels import address_of
from services.assets.domain.viewers import UNITS
from services.assets.importing import Row
from services.assets.service import Assets
from services.assets.use_cases import census
from shared import clock, tallies
from shared.events.inspections import FindingConfirmed, LampLook, LightsChecked, mark_of
from shared.events.workorders import (
    OrderClosed,
    OrderCompleted,
    OrderDeclined,
    OrderDispatched,
    OrderEvent,
    OrderRegistered,
    OrderReopened,
)
from tests.integration.databases import ENGINES, migrated
from tests.integration.test_assets_http import LAMP, Running

PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n%%EOF"
NIGHT = datetime(2026, 1, 15, 21, tzinfo=UTC)
TITLE = "巡检照片 1"


@pytest.fixture(scope="module", params=ENGINES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as database:
        made = Running(tmp_path_factory.mktemp("files"), database)
        ring = [[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.2], [24.9, 60.1]]
        area = {"code": "centre", "geometry": {"type": "Polygon", "coordinates": [ring]}}
        assert made.call("POST", "/districts", body=area).status_code == 201
        yield made


def a_lamp(running: Running, **more: Any) -> str:
    body = LAMP | {"code": f"L-{uuid4()}"} | more
    good(running.call("POST", "/facilities", body=body))
    return str(body["code"])


def good(answer: TestResponse) -> Any:
    assert answer.status_code in (200, 201), answer.get_data(as_text=True)
    return answer.get_json()


def act(running: Running, of: str, move: str, **body: Any) -> Any:
    return good(running.call("POST", f"/facilities/{of}/{move}", body={"reason": "works"} | body))


def put(running: Running, code: str, content: bytes, title: str = "") -> TestResponse:
    path = f"/facilities/{code}/documents/{sha256(content).hexdigest()}"
    return running.call("PUT", path + (f"?title={title}" if title else ""), body=content)


def an_image() -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 3), "navy").save(out, "PNG")
    return out.getvalue()


def finding(code: str, **more: Any) -> FindingConfirmed:
    about: dict[str, Any] = {
        "revision": 1,
        "happened_at": NIGHT,
        "recorded_at": NIGHT,
        "finding_id": uuid4(),
        "state": "confirmed",
        "category": "lamp_out",
        "severity": "normal",
        "source": "patrol",
        "longitude": None,
        "latitude": None,
        "reported_at": NIGHT,
        "confirmed_at": NIGHT,
        "facility_code": code,
    }
    return FindingConfirmed(**about | more)


def told(kind: type[OrderEvent], found: FindingConfirmed, revision: int, state: str) -> Any:
    return kind(
        revision=revision,
        happened_at=NIGHT + timedelta(hours=revision),
        recorded_at=NIGHT,
        number=f"WO-{str(found.finding_id)[:8]}",
        state=state,
        category="lamp_out",
        severity="normal",
        registered_at=NIGHT,
        due_at=NIGHT + timedelta(days=1),
        rework_count=0,
        finding_id=found.finding_id,
        crew="lights",
    )


def seen(running: Running, code: str, who: str, **query: str) -> dict[str, Any]:
    """What somebody finds in a facility's file and history: findings, orders, names, and what looks came from."""
    asked = f"?as_of={query['as_of']}" if query else ""
    file = good(running.call("GET", f"/facilities/{code}/file{asked}", who))
    life = running.items(f"/facilities/{code}/history?limit=1000", who)
    papers = running.items(f"/facilities/{code}/documents", who)
    told = [each["details"].get("finding_id") for each in life if "finding_id" in each["details"]]
    assert query or told[::-1] == [
        each["details"].get("finding_id") for each in file["history"] if "finding_id" in each["details"]
    ]
    return {
        "findings": {each["finding_id"] for each in file["defects"]} | set(told),
        "orders": {each["number"] for each in file["orders"]},
        "people": {each["who"] for part in (file["history"], file["documents"], life, papers) for each in part},
        "looks": {each["source"] for each in file["looks"]},
        "left_out": file["left_out"],
    }


def test_a_file_shows_of_findings_orders_and_people_what_their_services_would(running: Running) -> None:
    code = a_lamp(running, maintainer="lights")
    put(running, code, PDF)
    mine, other = uuid4(), uuid4()
    one = finding(code, finding_id=mine, reporter_mark=mark_of(mine, "a inspector"), summary="Dark")
    two = finding(code, finding_id=other, category="pole_damaged", reporter_mark=mark_of(other, "somebody"))
    hear(running, use_cases.record_defects, one, two)
    closed = told(OrderClosed, one, 7, "closed")
    theirs = replace(told(OrderDispatched, two, 2, "dispatched"), crew="roads")
    hear(running, use_cases.keep_orders, closed, theirs)
    hear(running, use_cases.follow_orders, closed)
    both, orders = {str(mine), str(other)}, {closed.number, theirs.number}
    everything = {"findings": both, "orders": orders, "looks": {f"order/{closed.number}/7"}, "left_out": {}}
    for who in ("operator", "dispatcher", "controller", "manager", "admin", "operator @lights", "admin @roads"):
        found = seen(running, code, who)
        assert found.pop("people") == {"a operator", "inspections", "workorders"}
        assert found == everything
    little = {"findings": set(), "orders": set(), "people": {None}, "looks": {"order"}, "left_out": {}}
    assert seen(running, code, "citizen") == seen(running, code, "operator @roads") == little
    assert seen(running, code, "manager @roads") == seen(running, code, "dispatcher @") == little
    assert seen(running, code, "inspector") == little | {"findings": {str(mine)}}
    assert seen(running, code, "inspector @roads") == seen(running, code, "inspector @lights")
    assert seen(running, code, "crew lights") == little | {"orders": {closed.number}}
    assert seen(running, code, "crew roads") == little | {"orders": {theirs.number}}
    assert seen(running, code, "crew") == little


def test_a_crew_that_gave_an_order_up_or_lost_it_sees_it_on_no_day(running: Running) -> None:
    code, found = a_lamp(running), finding("")
    found = replace(found, facility_code=code)
    hear(running, use_cases.record_defects, found)
    hear(running, use_cases.keep_orders, told(OrderDispatched, found, 2, "dispatched"))
    order = told(OrderDispatched, found, 2, "").number
    today = the_catalogue().city.day_of(clock.now()).isoformat()
    assert seen(running, code, "crew lights", as_of=today)["orders"] == {order}
    hear(running, use_cases.keep_orders, replace(told(OrderDeclined, found, 3, "registered"), crew=None))
    assert seen(running, code, "crew lights")["orders"] == set()
    with clock.frozen(clock.now() + timedelta(days=3)):
        assert seen(running, code, "crew lights", as_of=today)["orders"] == set()
        hear(running, use_cases.keep_orders, replace(told(OrderDispatched, found, 4, "dispatched"), crew="roads"))
        assert seen(running, code, "crew roads", as_of=today)["orders"] == {order}
        assert seen(running, code, "crew lights", as_of=today)["orders"] == set()


def hear(running: Running, handler: Any, *events: Any) -> None:
    with running.database.begin() as session:
        handler(session, events)


def recounts(running: Running) -> None:
    """The sums are those that counting anew gives."""
    with running.database.read() as session:
        counted = figures.recount(session)
        assert {figure: tallies.read(session, figure) for figure in counted} == counted


def test_photos_and_documents_come_back_as_they_were_put(running: Running) -> None:
    code, photo = a_lamp(running), an_image()
    assert [put(running, code, photo).status_code, put(running, code, photo, TITLE).status_code] == [201, 200]
    assert put(running, code, PDF, "Load test").status_code == 201
    listed = running.items(f"/facilities/{code}/documents")
    assert [(each["kind"], each["title"], each["who"]) for each in listed] == [
        ("document", "Load test", "a operator"),
        ("photo", TITLE, "a operator"),
    ]
    shown = running.call("GET", f"/facilities/{code}/documents/{listed[1]['sha256']}", "crew")
    assert (shown.data, shown.content_type) == (photo, "image/png")
    assert shown.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''%E5%B7%A1")
    document = running.call("GET", f"/facilities/{code}/documents/{listed[0]['sha256']}")
    assert document.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Load%20test.pdf"
    assert document.headers["X-Content-Type-Options"] == "nosniff"


def test_what_does_not_fit_its_hash_or_cannot_be_read_is_refused_and_not_kept(running: Running) -> None:
    code = a_lamp(running)
    assert put(running, code, b"<svg/>").status_code == 422
    assert running.call("PUT", f"/facilities/{code}/documents/{'0' * 64}", body=PDF).status_code == 422
    assert put(running, "nobody", PDF).status_code == 404
    assert running.call("PUT", f"/facilities/{code}/documents/x", "inspector", PDF).status_code == 403
    assert running.items(f"/facilities/{code}/documents") == []


def test_a_removed_document_is_gone_with_its_bytes_and_may_come_back(running: Running) -> None:
    code, digest = a_lamp(running), sha256(PDF).hexdigest()
    path = f"/facilities/{code}/documents/{digest}"
    kept = set(running.folder.rglob(digest))
    assert put(running, code, PDF).status_code == 201
    assert len(set(running.folder.rglob(digest)) - kept) == 1
    assert running.call("DELETE", path).status_code == 204
    assert set(running.folder.rglob(digest)) == kept
    assert running.call("GET", path).status_code == running.call("DELETE", path).status_code == 404
    assert put(running, code, PDF).status_code == 201
    assert running.call("GET", path).data == PDF
    deeds = [each["what"] for each in running.items(f"/facilities/{code}/history")]
    assert deeds == ["registered", "document_added", "document_removed", "document_added"]


def test_a_file_holds_what_was_registered_in_the_words_of_the_catalogue(running: Running) -> None:
    code = a_lamp(running, attributes={"lamp_type": "led", "colour": "green"}, owner="City", installed_on="2015-05-01")
    shown = running.get(f"/facilities/{code}/file")
    assert shown["kind"] == {"slug": "street_light", "en": "Street light", "zh": "路灯"}
    lamp, colour = shown["attributes"]
    assert (lamp["slug"], lamp["value"], lamp["value_zh"]) == ("lamp_type", "led", "LED灯")
    assert (colour["slug"], colour["value"], colour["zh"]) == ("colour", "green", None)
    assert shown["units"]["owner"] == {"code": "City", "name": None, "name_zh": None}
    assert (shown["installed_on"], shown["district"], shown["left_out"]) == ("2015-05-01", "centre", {})
    assert running.call("GET", "/facilities/nobody/file").status_code == 404


def test_orders_are_kept_as_their_newest_revision_says_in_whatever_order_they_are_heard(running: Running) -> None:
    code = a_lamp(running)
    found, again = finding(code), finding(code, category="pole_damaged")
    hear(running, use_cases.record_defects, found, again)
    hear(running, use_cases.keep_orders, told(OrderClosed, found, 7, "closed"))
    hear(running, use_cases.keep_orders, told(OrderCompleted, found, 6, "completed"))
    hear(
        running,
        use_cases.keep_orders,
        told(OrderRegistered, found, 1, "registered"),
        told(OrderReopened, again, 8, "dispatched"),
        told(OrderDispatched, found, 2, "dispatched"),
        told(OrderClosed, again, 7, "closed"),
    )
    hear(running, use_cases.keep_orders, told(OrderRegistered, found, 1, "registered"))
    hear(running, use_cases.follow_orders, told(OrderClosed, found, 7, "closed"))
    look = LightsChecked(
        revision=1,
        happened_at=NIGHT,
        recorded_at=NIGHT,
        check_id=uuid4(),
        lamps=[LampLook(facility_code=code, lit=True)],
    )
    hear(running, use_cases.record_looks, look)
    shown = running.get(f"/facilities/{code}/file")
    assert {each["number"]: each["state"] for each in shown["orders"]} == {
        told(OrderClosed, found, 7, "").number: "closed",
        told(OrderClosed, again, 8, "").number: "dispatched",
    }
    assert {each["finding_id"]: each["open"] for each in shown["defects"]} == {
        str(found.finding_id): False,
        str(again.finding_id): True,
    }
    assert {each["source"].partition("/")[0] for each in shown["looks"]} == {"check", "order"}
    assert shown["history"][-1]["what"] == "registered"


def test_a_renumbered_facility_is_still_found_by_its_old_code(running: Running) -> None:
    old, new = a_lamp(running), f"N-{uuid4()}"
    found = finding(old)
    hear(running, use_cases.record_defects, found)
    changed = act(running, old, "renumber", code=new, at="2026-02-01T08:00:00+02:00")
    assert (changed["code"], changed["revision"]) == (new, 3)
    with running.database.begin() as session:
        use_cases.renumber_facility(session, new, new_code=f"{new}+", who="ada", expected=3, reason="typo")
        events = session.info["outbox"]
    assert [(type(each).__name__, getattr(each, "code", None)) for each in events] == [
        ("FacilityChanged", f"{new}+"),
        ("FacilityRenumbered", f"{new}+"),
        ("DefectRecorded", None),
    ]
    said, renumbered, defect = events
    assert renumbered.former_codes == sorted([old, new])
    assert (said.former_code, defect.facility_code, defect.revision) == (new, f"{new}+", 3)
    act(running, old, "renumber", code=new)
    assert running.get(f"/facilities/{old}")["code"] == running.get(f"/facilities/{new}+")["code"] == new
    shown = running.get(f"/facilities/{old}/file")
    assert (shown["code"], shown["former_codes"]) == (new, [old, f"{new}+"])
    led = running.client.get(f"/f/{old}")
    assert (led.status_code, led.headers["Location"]) == (302, f"/api/v1/facilities/{old}/file")
    hear(running, use_cases.record_defects, finding(old, category="pole_damaged"))
    hear(running, use_cases.keep_orders, told(OrderClosed, found, 7, "closed"))
    shown = running.get(f"/facilities/{new}/file")
    assert (len(shown["defects"]), len(shown["orders"])) == (2, 1)
    states = {
        "states": [{"facility_code": each, "at": clock.now().isoformat(), "lit": True} for each in (old, "nobody")]
    }
    taken = running.call("POST", "/lamp-states", "device", states).get_json()
    assert [each["reason"][:12] for each in taken["rejected"]] == ["unknown-lamp"], taken


def test_a_file_from_before_a_renumbering_still_means_the_same_facilities(running: Running) -> None:
    code = a_lamp(running)
    act(running, code, "renumber", code=f"N-{code}")
    draft = {name: LAMP[name] for name in ("kind", "geometry")} | {"code": code, "name": "as the file says"}
    with running.database.begin() as session:
        now = clock.now()
        plan = census.plan_rows(session, [Row(1, {}, draft)], source=code, code_column=None, now=now)
        census.carry_out(session, plan, who="ada", import_id=uuid4(), now=now)
        assert (plan.created, list(plan.changes)) == ({}, [f"N-{code}"])
        assert census.renumbered_of(session, code, {code}) == {f"N-{code}"}
    assert running.get(f"/facilities/{code}")["name"] == "as the file says"


def test_a_code_that_still_finds_a_facility_is_not_given_to_another(running: Running) -> None:
    old, other = a_lamp(running), a_lamp(running)
    act(running, old, "renumber", code=f"N-{old}")
    for taken in (old, other, f"N-{old}"):
        again = running.call("POST", "/facilities", body=LAMP | {"code": taken, "name": "another"})
        assert again.status_code == 409
        refused = running.call("POST", f"/facilities/{other}/renumber", body={"code": taken, "reason": "works"})
        assert (refused.status_code, refused.get_json()["type"]) == (409, "urn:waywarden:problem:code-taken")
    assert (
        running.call("POST", f"/facilities/{other}/renumber", body={"code": "export", "reason": "x"}).status_code == 422
    )
    labels = {"code": "labels.pdf", "reason": "x"}
    assert running.call("POST", f"/facilities/{other}/renumber", body=labels).status_code == 422


def test_lives_are_told_and_counted_by_when_they_happened(running: Running) -> None:
    code = a_lamp(running, kind="landscape_light", attributes={"lamp_type": "sodium"}, installed_on="2015-05-01")
    a_lamp(running, kind="landscape_light", installed_on="2025-12-31")
    beyond = {"type": "Point", "coordinates": [24.95, 60.25]}
    moved = act(running, code, "move", geometry=beyond, at="2025-03-01T08:00:00+02:00")
    assert (moved["geometry"], moved["district"]) == (beyond, None)
    act(running, code, "move", geometry=LAMP["geometry"], at="2025-03-02T08:00:00+02:00")
    replaced = act(running, code, "replace", attributes={"lamp_type": "led"}, at="2025-12-31T23:30:00+02:00")
    assert (replaced["installed_on"], replaced["attributes"]) == ("2025-12-31", {"lamp_type": "led"})
    act(running, code, "replace", code=f"N-{code}", at="2026-01-01T00:30:00+02:00")
    act(running, code, "retire", at="2026-05-01T08:00:00+02:00")
    assert running.call("POST", f"/facilities/{code}/move", body={"geometry": beyond, "reason": "x"}).status_code == 409
    recounts(running)

    def counts(query: str) -> dict[str, int]:
        items = running.items(f"/facilities/life-counts?kind=landscape_light&{query}")
        return {name: value for each in items for name, value in each.items() if value and type(value) is int}

    assert counts("from=2015-01-01&to=2015-12-31&by=kind") == {"installed": 1}
    assert counts("from=2025-01-01&to=2025-12-31") == {"installed": 1, "replaced": 1, "moved": 2}
    assert counts("from=2026-01-01&to=2026-12-31&district=centre") == {"replaced": 1, "removed": 1}
    assert counts("from=2026-01-01&to=2026-12-31&district=north") == {}
    assert running.call("GET", "/facilities/life-counts?from=2026-01-02&to=2026-01-01").status_code == 422
    told_of = running.items(f"/facilities/{code}/history")
    assert [each["what"] for each in told_of] == [
        "registered", "moved", "moved", "installed", "replaced", "replaced", "retired",
    ]  # fmt: skip
    assert told_of[1]["who"] == "a operator"
    assert told_of[1]["details"]["changes"]["geometry"] == [LAMP["geometry"], beyond]
    assert told_of[1]["happened_at"] < told_of[1]["recorded_at"]


def test_a_file_can_be_seen_as_it_was_known_on_a_past_day(running: Running) -> None:
    day = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with clock.frozen(day):
        code = a_lamp(running, name="first", attributes={"lamp_type": "sodium"}, installed_on="2015-05-01")
        put(running, code, PDF, "Plan")
    found = finding(code)
    with clock.frozen(day + timedelta(days=1)):
        hear(running, use_cases.record_defects, found)
        hear(running, use_cases.keep_orders, told(OrderDispatched, found, 2, "dispatched"))
    with clock.frozen(day + timedelta(days=2)):
        hear(running, use_cases.keep_orders, told(OrderClosed, found, 7, "closed"))
        hear(running, use_cases.follow_orders, told(OrderClosed, found, 7, "closed"))
        good(running.call("PATCH", f"/facilities/{code}", body={"name": "second"}))
        act(running, code, "replace", code=f"N-{code}", attributes={"lamp_type": "led"}, at="2026-02-20T08:00:00+02:00")
        running.call("DELETE", f"/facilities/{code}/documents/{sha256(PDF).hexdigest()}")
    with clock.frozen(day + timedelta(days=3)):
        act(running, code, "retire")

    def on(date: str) -> Any:
        return running.get(f"/facilities/{code}/file?as_of={date}")

    assert running.call("GET", f"/facilities/{code}/file?as_of=2026-02-28").status_code == 404
    assert running.call("GET", f"/facilities/{code}/file?as_of=2999-01-01").status_code == 422
    first, second, third, now = (
        on("2026-03-01"),
        on("2026-03-02"),
        on("2026-03-03"),
        running.get(f"/facilities/{code}/file"),
    )
    assert [each["condition"] for each in (first, second, third, now)] == ["intact", "defective", "intact", "retired"]
    assert [each["name"] for each in (first, second, third)] == ["first", "first", "second"]
    assert [each["code"] for each in (first, second, third)] == [code, code, f"N-{code}"]
    assert [each["attributes"][0]["value"] for each in (second, third)] == ["sodium", "led"]
    assert [each["installed_on"] for each in (second, third)] == ["2015-05-01", "2026-02-20"]
    assert [[order["state"] for order in each["orders"]] for each in (first, second, third)] == [
        [],
        ["dispatched"],
        ["closed"],
    ]
    assert [[defect["open"] for defect in each["defects"]] for each in (first, second, third)] == [[], [True], [False]]
    assert [len(each["documents"]) for each in (first, second, third)] == [1, 1, 0]
    assert [each["what"] for each in first["history"]] == ["document_added", "registered"]
    assert (second["former_codes"], third["former_codes"]) == ([], [code])
    recounts(running)


def test_a_life_move_honours_the_revision_that_was_read(running: Running) -> None:
    code = a_lamp(running)
    body = {"geometry": LAMP["geometry"], "reason": "straightened"}
    assert running.call("POST", f"/facilities/{code}/move", body=body, If_Match='"1"').status_code == 200
    assert running.call("POST", f"/facilities/{code}/move", body=body, If_Match='"1"').status_code == 412
    assert running.call("POST", f"/facilities/{code}/move", "inspector", body).status_code == 403


def test_labels_are_printed_for_a_search_or_for_codes(running: Running) -> None:
    codes = [a_lamp(running, street="干将东路") for _ in range(3)]
    printed = running.call("GET", f"/facilities/labels.pdf?codes={','.join(codes)}", "crew")
    assert (printed.status_code, printed.content_type) == (200, "application/pdf")
    assert printed.data.startswith(b"%PDF-")
    first = running.call("GET", "/facilities/labels.pdf?kind=street_light&limit=2&columns=2&rows=5")
    assert first.headers["Link"].startswith("</api/v1/facilities/labels.pdf?kind=street_light&limit=2&")
    assert running.call("GET", f"/facilities/labels.pdf?codes={codes[0]},nobody").status_code == 404
    assert running.call("GET", "/facilities/labels.pdf?kind=bridge").status_code == 404
    for wrong in ("limit=1001", "columns=2", "sheet=a", "codes=,"):
        assert running.call("GET", f"/facilities/labels.pdf?{wrong}").status_code == 422


@pytest.mark.parametrize(
    ("url", "opened_by", "pages"),
    [
        ("http://127.0.0.1:8000", "nobody", 2),
        ("http://192.168.1.5", "inside", 2),
        ("https://lamps.city.gov.cn/", "anybody", 1),
    ],
)
def test_labels_say_who_can_open_them(
    running: Running, monkeypatch: pytest.MonkeyPatch, url: str, opened_by: str, pages: int
) -> None:
    config = running.container.config
    monkeypatch.setitem(config, "settings", replace(config["settings"], public_url=url))
    code = a_lamp(running)
    printed = running.call("GET", f"/facilities/labels.pdf?codes={code}", "crew")
    assert (printed.status_code, printed.headers["Labels-Opened-By"]) == (200, opened_by)
    document = PdfDocument(printed.data)
    assert len(document) == pages
    seen = read_barcodes(document[pages - 1].render(scale=4).to_pil())
    assert [each.text for each in seen] == [address_of(url, code)]


@pytest.mark.parametrize("unit", UNITS)
def test_who_is_bound_to_a_unit_does_not_say_whose_a_facility_is(running: Running, unit: str) -> None:
    at = f"/facilities/{unit}-1"
    running.call("POST", "/facilities", body=LAMP | {"code": f"{unit}-1", unit: "Lights"})
    plain = {name: value for name, value in LAMP.items() if name not in UNITS} | {"code": f"{unit}-2"}
    own = plain | {unit: "Roads"}  # beside a finding of another unit, it would show it
    for refused in (
        running.call("PATCH", at, "operator @Roads", {unit: "Roads"}),
        running.call("POST", "/facilities", "operator @Roads", own),
    ):
        assert refused.status_code == 403
        assert b"bound-to-unit" in refused.data
    assert running.call("GET", f"/facilities/{unit}-2").status_code == 404
    assert running.call("POST", "/facilities", "operator @Roads", plain).status_code == 201
    assert running.get(at)[unit] == "Lights"
    assert running.call("PATCH", at, "operator @Roads", {"name": "At the bay"}).status_code == 200
    assert running.call("PATCH", at, "operator", {unit: "Roads"}).status_code == 200


def test_a_label_of_a_code_that_cannot_be_leads_nowhere(running: Running) -> None:
    assert [running.client.get(f"/f/{'a' * length}").status_code for length in (100, 101, 3900)] == [404, 404, 404]
