"""The page that a label opens, over HTTP, on both engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from services.assets import use_cases
from services.assets.service import Assets
from shared.events.workorders import OrderClosed
from tests.integration.databases import ENGINES, migrated
from tests.integration.test_assets_files import finding, told
from tests.integration.test_assets_http import Running, a_lamp

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PEOPLE = {
    "owner": "Owner Unit", "authority": "Authority Unit", "maintainer": "Maintainer Unit", "name": "Lamp at the bay",
}  # fmt: skip


@pytest.fixture(scope="module", params=ENGINES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as database:
        made = Running(tmp_path_factory.mktemp("labels"), database)
        ring = [[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.2], [24.9, 60.1]]
        area = {"code": "d-1", "name": "Töölö & Co", "geometry": {"type": "Polygon", "coordinates": [ring]}}
        assert made.call("POST", "/districts", body=area).status_code == 201
        yield made


def scan(running: Running, code: str, lang: str = "en", accept: str = BROWSER) -> TestResponse:
    headers = {"Accept": accept} if accept else {}
    return running.client.get(f"/f/{quote(code, safe='')}?lang={lang}", headers=headers)


def page(running: Running, code: str, lang: str = "en", status: int = 200) -> str:
    """What somebody reads there, without the tags."""
    answer = scan(running, code, lang)
    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    return unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", answer.get_data(as_text=True), flags=re.S))


def hear(running: Running, handler: Any, event: Any) -> None:
    with running.database.begin() as session:
        handler(session, [event])


def act(running: Running, of: str, move: str, **body: Any) -> None:
    assert running.call("POST", f"/facilities/{of}/{move}", body={"reason": "PRIVATE"} | body).status_code == 200


def test_a_label_opens_what_the_facility_is_where_and_that_it_is_in_order(running: Running) -> None:
    code = a_lamp(running, **PEOPLE, street="Mannerheimintie")
    english, chinese = page(running, code), page(running, code, "zh")
    for shown in ("Lamp at the bay", "Street light", code, "Mannerheimintie", "Töölö & Co", "In order", "Since "):
        assert shown in english
    for shown in ("Lamp at the bay", "路灯", code, "Töölö & Co", "完好", "目前没有已知的故障", "自20"):
        assert shown in chinese
    assert not [each for each in ("Owner Unit", "Authority Unit", "Maintainer Unit", "d-1") if each in english]


def test_its_headers_let_nobody_frame_run_or_keep_it(running: Running) -> None:
    headers = scan(running, a_lamp(running)).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert (headers["Cache-Control"], headers["Vary"]) == ("no-cache", "Accept, Accept-Language")


def test_a_label_tells_a_known_defect_and_when_it_is_repaired(running: Running) -> None:
    code = a_lamp(running)
    found = finding(code)
    hear(running, use_cases.record_defects, found)
    hear(running, use_cases.record_defects, finding(code, category="pole_leaning", summary="PRIVATE words"))
    english, chinese = page(running, code), page(running, code, "zh")
    assert "A defect is known" in english
    assert "Lamp out, Pole leaning" in english
    assert "灯不亮、倾斜" in chinese
    assert "Report something else" in english
    assert "PRIVATE" not in english + chinese
    hear(running, use_cases.follow_orders, told(OrderClosed, found, 7, "closed"))
    assert "Pole leaning" in page(running, code)
    assert "Lamp out" not in page(running, code)


def test_a_defect_that_leaves_the_lamp_in_the_rates_is_told_too(running: Running) -> None:
    code = a_lamp(running)
    hear(running, use_cases.record_defects, finding(code, category="lamp_flicker"))
    assert running.get(f"/facilities/{code}")["condition"] == "intact"
    assert "Lamp flickers" in page(running, code)


def test_out_of_service_and_removed_are_told_without_the_reason(running: Running) -> None:
    code = a_lamp(running)
    hear(running, use_cases.record_defects, finding(code))
    act(running, code, "put-out-of-service")
    assert "Out of service" in page(running, code)
    assert "停用" in page(running, code, "zh")
    assert "Lamp out" not in page(running, code)
    act(running, code, "retire")
    assert "Removed" in page(running, code)
    assert "已拆除" in page(running, code, "zh")
    assert "PRIVATE" not in page(running, code) + page(running, code, "zh")


def test_an_old_label_opens_the_facility_and_says_so(running: Running) -> None:
    old, new = a_lamp(running), f"N-{uuid4()}"
    act(running, old, "renumber", code=new)
    shown = page(running, old)
    assert f"The label says {old}. That is its former code." in shown
    assert new in shown
    assert "former code" not in page(running, new)


def test_another_spelling_of_the_code_is_no_former_code(running: Running) -> None:
    code = f"灯-Ａ{uuid4()}"
    shown = page(running, a_lamp(running, code=code))
    assert "former code" not in shown
    assert code.replace("Ａ", "A") in shown


ODD = ["路灯 7#?%", "a%20b", "\"'><script>alert(1)</script>"[:-9] + "x", "{{ 7*7 }}", "{0.__class__}", "%s%n", "é" * 40]


@pytest.mark.parametrize("odd", ODD)
def test_odd_codes_are_shown_as_they_are_and_run_nothing(running: Running, odd: str) -> None:
    code = a_lamp(running, code=f"{odd} {uuid4()}".replace("/", ""), name=odd)
    assert code in page(running, code)
    text = scan(running, code).get_data(as_text=True)
    assert "<script" not in text
    for link in re.findall(r'href="([^"]+)"', text):
        at = urlsplit(unescape(link))
        assert not at.scheme
        assert not at.netloc
    assert f"{odd}?" in page(running, f"{odd}?", status=404)


def test_the_links_lead_to_a_report_about_it_and_to_its_file(running: Running) -> None:
    code = a_lamp(running, code=f"路灯 7#?%&=+ {uuid4()}")
    links = [unescape(each) for each in re.findall(r'href="([^"]+)"', scan(running, code, "zh").get_data(as_text=True))]
    report = urlsplit(next(each for each in links if each.startswith("/report/")))
    assert parse_qs(report.query) == {
        "facility": [code], "kind": ["street_light"], "lang": ["zh"], "lon": ["24.936200"], "lat": ["60.179500"],
    }  # fmt: skip
    (file,) = (each for each in links if each.startswith("/api/"))
    assert running.get(file.removeprefix("/api/v1"))["code"] == code
    assert running.client.get(f"/f/{quote(code, safe='')}{links[0]}", headers={"Accept": BROWSER}).status_code == 200


@pytest.mark.parametrize("code", ["nobody", "no body", "没有", "%", "a" * 101, "a" * 3900, "\x07"])
def test_a_code_that_nobody_has_is_a_page_for_people_and_a_problem_for_programs(running: Running, code: str) -> None:
    shown = page(running, code, status=404)
    assert "No facility has this code" in shown
    assert code[:100] in shown
    assert "没有此编码的设施" in page(running, code, "zh", status=404)
    answer = scan(running, code, accept="application/json")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.get_json()["type"] == "urn:waywarden:problem:unknown-facility"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 302), ("*/*", 302), ("application/json", 302), ("application/json, */*;q=0.1", 302), ("text/*", 302),
        ("text/html;q=0", 302), ("application/json, text/html;q=0.5", 302), ("%%%;;", 302),
        (BROWSER, 200), ("text/html", 200), ("text/html, application/json", 200), ("text/html, */*", 200),
    ],
)  # fmt: skip
def test_only_who_asks_for_html_gets_the_page(running: Running, accept: str, status: int) -> None:
    code = a_lamp(running)
    answer = scan(running, code, accept=accept)
    assert answer.status_code == status
    assert "Accept" in answer.headers["Vary"]
    if status == 302:
        assert answer.headers["Location"] == f"/api/v1/facilities/{code}/file"


def test_what_shared_links_add_to_the_address_is_ignored(running: Running) -> None:
    asked = f"/f/{a_lamp(running)}?from=singlemessage&lang=xx&%3Cb%3E=1"
    assert running.client.get(asked, headers={"Accept": BROWSER}).status_code == 200
