"""Somebody in the street scans a lamp's label and reports that it is dark, as a browser without scripts does it."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, urlencode

import pytest

from tests.client import Answer, System, wait_for
from tests.story import Cast

BROWSER = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "zh-CN,zh;q=0.9"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def open_page(system: System, address: str) -> str:
    answer = system.nobody()._patiently("GET", address, None, BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), answer
    return answer.content.decode()


def open_form(system: System, address: str) -> str:
    """Once inspections has heard of the catalogue, which a system that just started may still have to tell."""
    return wait_for(lambda: page if "灯不亮" in (page := open_page(system, address)) else None, "the categories")


def link(page: str, beginning: str) -> str:
    return next(unescape(each) for each in re.findall(r'href="([^"]*)"', page) if each.startswith(beginning))


def fields_of(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="(?:hidden|text)"[^>]*? name="(\w+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def send(system: System, page: str, **more: str) -> Answer:
    target = unescape(re.findall(r'action="([^"]+)"', page)[0])
    path, _, query = target.partition("?")
    body = urlencode(fields_of(page) | more).encode()
    return system.nobody().send("POST", path, content=body, query=dict([query.split("=")]), headers=FORM)


def test_a_scanned_label_becomes_a_report_and_its_page_tells_when_it_is_confirmed(system: System, cast: Cast) -> None:
    (lamp,) = cast.lamps(1, district="northwest")
    label = f"/f/{quote(lamp['code'], safe='')}"
    page = open_page(system, label)
    assert "完好" in page
    form = open_form(system, link(page, "/report/"))
    answers = [send(system, form, category="lamp_out", words="昨晚开始不亮") for _ in range(2)]
    assert [each.status for each in answers] == [201, 201], answers
    assert answers[0].content == answers[1].content
    (number,) = re.findall(r'class="number">([0-9a-f-]{36})<', answers[0].content.decode())
    found = cast.dispatcher.get(f"/findings/{number}")
    said = (found["state"], found["source"], found["facility_code"], found["category"], found["description"])
    assert said == ("reported", "citizen", lamp["code"], "lamp_out", "昨晚开始不亮")
    assert "完好" in open_page(system, label)
    cast.dispatcher.post(f"/findings/{number}/confirm")
    wait_for(lambda: "灯不亮" in open_page(system, label), "the page to tell of the defect")
    back = open_page(system, link(answers[0].content.decode(), "/f/"))
    assert "已知有故障" in back


def test_people_behind_our_own_proxy_count_by_their_own_addresses(system: System) -> None:
    if system.name == "embedded":
        pytest.skip("Embedded, there is no proxy.")
    form = open_form(system, "/report/")
    fields = fields_of(form) | {"facility": "L-1", "category": ""}
    about = [fields | {"category": "other", "words": f"{number}"} for number in range(21)]
    answers = [
        system.nobody().send("POST", "/report/", content=urlencode(each).encode(), headers=FORM | by)
        for each, by in zip(about, [{"X-Forwarded-For": "192.0.2.77"}] * 20 + [{}], strict=True)
    ]
    assert {each.status for each in answers} == {201}
    refused = system.nobody().send(
        "POST",
        "/report/",
        content=urlencode(fields | {"category": "other", "words": "more"}).encode(),
        headers=FORM | {"X-Forwarded-For": "203.0.113.5, 192.0.2.77"},
    )
    assert refused.status == 429, refused


def test_a_label_that_nobody_knows_leads_to_a_report_all_the_same(system: System, cast: Cast) -> None:
    unknown = system.nobody()._patiently("GET", "/f/no%20such%20lamp", None, BROWSER)
    assert unknown.status == 404
    form = open_form(system, link(unknown.content.decode(), "/report/"))
    answer = send(system, form, category="lamp_out")
    assert answer.status == 201, answer
    (number,) = re.findall(r'class="number">([0-9a-f-]{36})<', answer.content.decode())
    assert cast.dispatcher.get(f"/findings/{number}")["facility_code"] == "no such lamp"
    cast.dispatcher.post(f"/findings/{number}/reject", {"reason": "No such lamp."})
