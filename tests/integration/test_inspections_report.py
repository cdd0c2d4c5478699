"""Reports of the public, over HTTP, on both engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from eventlet.greenpool import GreenPool
from nameko.containers import ServiceContainer
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from deploy import settings
from deploy.keys import make_keys
from deploy.site import Site
from services.assets.domain.catalogue import the_catalogue
from services.inspections import queries, tables, use_cases
from services.inspections.domain.findings import Finding
from services.inspections.report import routes
from services.inspections.report.bound import Hourly
from services.inspections.service import Inspections
from shared import clock
from shared.auth import Keys
from shared.db import Database
from shared.events.assets import CataloguePublished
from shared.outbox import outbox
from tests.integration.databases import ENGINES, left_as_found, migrated

PLACE = {"lon": "24.941", "lat": "60.170"}
LAMP = {"facility": "HEL 路灯 7%", "kind": "street_light"} | PLACE
WORDS = 'Herr Meier, 040 123 4567, sagt: <b>dunkel</b> "seit" gestern & heute'


class Page:
    """What came back, as a browser has it."""

    def __init__(self, answer: TestResponse) -> None:
        self.status, self.headers = answer.status_code, answer.headers
        self.html = answer.get_data(as_text=True)
        self.text = unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", self.html, flags=re.S))

    @property
    def fields(self) -> dict[str, str]:
        """What its form would send."""
        inputs = re.findall(r'<input type="(?:hidden|text)"[^>]*? name="(\w+)" value="([^"]*)"', self.html)
        chosen = re.findall(r'name="category" value="([^"]*)" checked', self.html)
        (words,) = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", self.html, re.S)
        found = dict(inputs) | {"words": words} | ({"category": chosen[0]} if chosen else {})
        return {name: unescape(value) for name, value in found.items()}

    @property
    def number(self) -> str:
        (number,) = re.findall(r'class="number">([0-9a-f-]{36})<', self.html)
        return str(number)


class Running:
    """The service in this process, as somebody without an account reaches it."""

    def __init__(self, folder: Path, database: Database, **chosen: Any) -> None:
        self.database, site = database, Site()
        make_keys(folder / "keys")
        config = {
            "settings": replace(settings.load(), data=folder, **chosen), "databases": {"inspections": database},
            "site": site, "keys": Keys(folder / "keys"), "max_workers": 8,
        }  # fmt: skip
        self.container = ServiceContainer(Inspections, config=config)
        for extension in self.container.extensions:
            extension.setup()
        self.site = site
        self.client = Client(site)

    def form(self, **asked: str) -> Page:
        return Page(self.client.get("/report/", query_string=asked))

    def send(self, fields: dict[str, str], lang: str = "en", address: str = "192.0.2.1") -> Page:
        surroundings = {"REMOTE_ADDR": address}
        return Page(
            Client(self.site).post("/report/", query_string={"lang": lang}, data=fields, environ_overrides=surroundings)
        )

    def findings(self) -> list[Finding]:
        with self.database.read() as session:
            return list(session.scalars(select(Finding).order_by(tables.findings.c.reported_at)))


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with migrated(request, tmp_path_factory, "inspections", tables.mapping.metadata) as database:
        yield Running(tmp_path_factory.mktemp("reports"), database, reports_per_address=5)


@pytest.fixture
def running(made: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(routes, "HOURLY", Hourly())
    with left_as_found(made.database, tables.mapping.metadata):
        now, told = clock.now(), the_catalogue().as_published()
        event = CataloguePublished(revision=1, happened_at=now, recorded_at=now, name="city", catalogue=told)
        with made.database.begin() as session:
            use_cases.keep_catalogue(session, [event])
        yield made
        with made.database.read() as session:
            queries.forget_rulebook(session)


def filled(running: Running, **more: str) -> dict[str, str]:
    """The form of a lamp, as somebody fills it in."""
    return running.form(**LAMP).fields | {"category": "lamp_out", "words": WORDS} | more


def test_the_form_offers_what_can_be_wrong_with_the_thing_in_the_readers_language(running: Running) -> None:
    english, chinese = running.form(**LAMP), running.form(**LAMP, lang="zh")
    assert (english.status, english.headers["Cache-Control"]) == (200, "private, no-cache")
    assert "form-action 'self'" in english.headers["Content-Security-Policy"]
    assert english.headers["X-Frame-Options"] == "DENY"
    for shown in ("Street light", "Lamp out", "Pole leaning", "Other", "no names or telephone numbers", "Helsinki"):
        assert shown in english.text
    for shown in ("路灯", "灯不亮", "倾斜", "其他", "请勿填写姓名", "赫尔辛基"):
        assert shown in chinese.text
    assert not [each for each in ("Cabinet fault", "Pothole") if each in english.text]
    assert {name: english.fields[name] for name in LAMP} == LAMP


def test_an_address_that_was_typed_without_its_last_slash_leads_there_on_this_host(running: Running) -> None:
    answer = running.client.get("/report?facility=L-1", headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.headers["Location"]) == (308, "/report/?facility=L-1")


def test_a_report_is_a_finding_that_waits_for_somebody_to_confirm_it(running: Running) -> None:
    answer = running.send(filled(running))
    assert (answer.status, answer.headers["Cache-Control"]) == (201, "private, no-cache")
    assert "Your report has arrived" in answer.text
    (found,) = running.findings()
    assert str(found.id) == answer.number
    assert (found.state, found.source, found.reporter, found.severity) == ("reported", "citizen", "/report/", "normal")
    assert (found.facility_code, found.category, found.description) == (LAMP["facility"], "lamp_out", WORDS)
    assert (found.location, found.place_check) == ({"lon": 24.941, "lat": 60.17}, "inside")
    assert 'href="/f/HEL%20%E8%B7%AF%E7%81%AF%207%25?lang=en"' in answer.html


def test_what_citizens_write_stays_in_inspections(running: Running) -> None:
    running.send(filled(running))
    with running.database.read() as session:
        (event,) = session.execute(select(outbox)).all()
    assert "Meier" not in str(event)
    assert "040" not in str(event)


def test_a_report_that_is_sent_twice_is_one(running: Running) -> None:
    fields = filled(running)
    answers = list(GreenPool(4).imap(running.send, [fields] * 4))
    again = running.send(fields, "zh")
    assert {each.status for each in [*answers, again]} == {201}
    assert {each.number for each in [*answers, again]} == {str(each.id) for each in running.findings()}
    assert len(running.findings()) == 1


def test_who_goes_back_and_changes_something_makes_another_report(running: Running) -> None:
    fields = filled(running, category="leakage")
    first, second = running.send(fields), running.send(fields | {"words": "and it hums"})
    assert first.number != second.number
    assert [each.description for each in running.findings()] == [WORDS, "and it hums"]


def test_two_people_with_one_link_make_two_reports(running: Running) -> None:
    numbers = {running.send(filled(running, id=running.form(**LAMP).fields["id"])).number for _ in range(2)}
    assert len(numbers) == len(running.findings()) == 2


def test_a_second_report_of_a_lamp_that_is_out_is_told_that_it_is_known(running: Running) -> None:
    first, second = running.send(filled(running)), running.send(filled(running))
    assert "looks at it before" in first.text
    assert "It is known already" in second.text
    assert [each.state for each in running.findings()] == ["reported", "merged"]
    assert "此前已有上报" in running.send(filled(running), "zh").text


MISTAKES: dict[str, tuple[dict[str, str], str, str]] = {
    "nothing chosen": ({"category": ""}, "choose one of these", "请选择问题类型"),
    "no category": ({"category": "<script>alert(1)</script>"}, "choose one of these", "请选择问题类型"),
    "another kind's category": ({"category": "pothole"}, "choose one of these", "请选择问题类型"),
    "no code": ({"facility": "a/b"}, "cannot be a code", "编码格式不正确"),
    "too long a code": ({"facility": "语" * 101}, "cannot be a code", "编码格式不正确"),
    "neither code nor place": ({"facility": " ", "lon": "x"}, "Type the code", "请填写标签上的编码"),
    "too many words": ({"words": "语" * 2001}, "longer than 2,000", "超过2000"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_words_and_nothing_typed_is_lost(running: Running, mistake: str) -> None:
    wrong, english, chinese = MISTAKES[mistake]
    fields = filled(running, **wrong)
    answer = running.send(fields)
    assert answer.status == 422
    assert english in answer.text
    assert chinese in running.send(fields, "zh").text
    assert 'role="alert"' in answer.html
    assert "<script" not in answer.html
    kept = {name: value.strip() for name, value in fields.items() if name != "category"}
    assert {name: answer.fields[name] for name in kept} == kept
    assert answer.fields.get("category", "") == (fields["category"] if "category" not in wrong else "")
    assert not running.findings()
    mended = running.send(answer.fields | {"facility": "L-1", "category": "lamp_out", "words": "dark"})
    assert (mended.status, len(running.findings())) == (201, 1)


@pytest.mark.parametrize("place", [{"lon": "60.170", "lat": "24.941"}, {"lon": "121.47", "lat": "31.23"}])
def test_a_place_outside_the_city_is_told_left_out_and_the_rest_can_be_sent(
    running: Running, place: dict[str, str]
) -> None:
    with running.database.begin() as session:
        ring = [[[24.78, 59.92], [25.26, 59.92], [25.26, 60.3], [24.78, 60.3], [24.78, 59.92]]]
        session.execute(tables.areas.insert().values(code="d-1", outline=[ring], revision=1))
        queries.forget_rulebook(session)
    answer = running.send(filled(running, **place))
    assert answer.status == 422
    assert "outside the city" in answer.text
    assert not running.findings()
    assert (answer.fields["lon"], answer.fields["facility"], answer.fields["words"]) == ("", LAMP["facility"], WORDS)
    assert running.send(answer.fields | {"category": "lamp_out"}).status == 201
    (found,) = running.findings()
    assert (found.location, found.facility_code) == (None, LAMP["facility"])


def test_a_category_that_only_the_form_knows_yet_is_asked_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FRESH_S", 3600.0)
    fields = filled(running)
    assert running.send(fields).status == 201  # what reports are judged by was read
    newer = the_catalogue().as_published()
    newer["categories"]["lamp_blue"] = newer["categories"]["lamp_out"]
    with running.database.begin() as session:
        session.execute(tables.catalogue_copies.update().values(catalogue=newer))
    answer = running.send(fields | {"category": "lamp_blue"})
    assert (answer.status, answer.fields["category"], answer.fields["words"]) == (422, "lamp_blue", WORDS)
    with running.database.read() as session:
        queries.forget_rulebook(session)
    assert running.send(answer.fields).status == 201


def test_a_code_that_nobody_knows_is_taken(running: Running) -> None:
    assert running.send(filled(running, facility="nobody <knows> this")).status == 201
    assert [each.facility_code for each in running.findings()] == ["nobody <knows> this"]


def test_a_place_without_a_code_is_taken(running: Running) -> None:
    assert running.send(filled(running, facility="")).status == 201
    assert [(each.facility_code, each.place_check) for each in running.findings()] == [(None, "inside")]


def test_an_address_makes_so_many_reports_an_hour_and_then_keeps_what_it_typed(running: Running) -> None:
    sent = [filled(running, words=f"{number}") for number in range(5)]
    assert [running.send(each).status for each in sent] == [201] * 5
    more = filled(running, category="leakage")
    refused = running.send(more)
    assert (refused.status, refused.fields["words"], refused.fields["category"]) == (429, WORDS, "leakage")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert "Try again in 60 minutes" in refused.text
    assert running.send(sent[0]).status == 201  # what arrived is told again
    assert running.send(refused.fields, address="192.0.2.2").status == 201
    assert len(running.findings()) == 6


@pytest.mark.parametrize("media", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_kind_is_refused(running: Running, media: str) -> None:
    answer = running.client.post("/report/", data=b"category=lamp_out", content_type=media)
    assert (answer.status_code, answer.content_type) == (415, "application/problem+json")


def test_a_body_that_is_too_large_is_refused(running: Running) -> None:
    answer = running.client.post("/report/", data={"words": "x" * 70_000})
    assert answer.status_code == 413
    assert not running.findings()


@pytest.mark.parametrize("body", [b"", b"%00=%00&category=lamp_out", b"id=%ff%fe&category=%ed%a0%80", b"&&&==="])
def test_rubbish_gets_the_form_again(running: Running, body: bytes) -> None:
    answer = running.client.post("/report/", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422
    assert not running.findings()


HOSTILE = "\"'><script>alert(1)</script>{{ 7*7 }}"


@pytest.mark.parametrize("name", ["facility", "kind", "lon", "lat", "category", "words", "id", "lang", "x"])
def test_a_hostile_link_is_shown_as_it_is_and_runs_nothing(running: Running, name: str) -> None:
    shown = running.form(**{name: HOSTILE})
    assert shown.status == 200
    assert "<script" not in shown.html
    assert "49" not in shown.text
    assert shown.fields["id"] != HOSTILE


def test_before_the_catalogue_is_here_a_report_is_taken_all_the_same(running: Running) -> None:
    with running.database.begin() as session:
        session.execute(tables.catalogue_copies.delete())
        queries.forget_rulebook(session)
    form = running.form(**LAMP)
    assert "Other" in form.text
    assert running.send(form.fields | {"category": "other"}).status == 201
