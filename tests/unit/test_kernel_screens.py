"""Pages that a service renders: two languages, nothing loaded, nothing of what was typed run."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from services.assets.routes import label_page
from services.inspections.report import words
from shared.screens import Pages, language_of, moment

SAID = {"hello": ("Hello", "您好")}
TEMPLATE = '{% extends "page.html" %}{% block main %}<p>{{ say.hello }} {{ typed }}</p>{% endblock %}'
CITY = {"en": "Town", "zh": "城"}


def asks(query: str = "", accepts: str = "", method: str = "GET") -> Request:
    headers = [("Accept-Language", accepts)] if accepts else []
    return EnvironBuilder("/f/1", query_string=query, headers=headers, method=method).get_request(Request)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "hello.html").write_text(TEMPLATE)
    return Pages(tmp_path, SAID)


@pytest.mark.parametrize(
    ("query", "accepts", "language"),
    [
        ("", "", "en"), ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("", "zh-Hans-CN", "zh"), ("", "fi", "en"),
        ("", "en-GB", "en"), ("lang=zh", "en", "zh"), ("lang=en", "zh", "en"), ("lang=<b>", "zh", "zh"),
        ("", "fi,zh;q=0.5", "zh"), ("", "%%%", "en"),
    ],
)  # fmt: skip
def test_the_address_chooses_the_language_else_the_browser_does(query: str, accepts: str, language: str) -> None:
    assert language_of(asks(query, accepts)) == language


def test_a_page_lets_its_own_style_apply_and_nothing_else(pages: Pages) -> None:
    answer = pages.show(asks(), "hello.html", cache="no-cache", city=CITY, typed="<style>x{}</style><script>1</script>")
    text = answer.get_data(as_text=True)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert policy["style-src"] == f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "script-src" not in policy
    assert "<script" not in text
    assert "&lt;script&gt;1" in text


def test_a_page_links_to_itself_in_the_other_language_and_keeps_what_was_asked(pages: Pages) -> None:
    answer = pages.show(asks("kind=a%26b&lang=zh"), "hello.html", cache="no-cache", city=CITY, typed="")
    text = answer.get_data(as_text=True)
    assert 'href="?kind=a%26b&amp;lang=en"' in text
    assert '<html lang="zh-CN">' in text
    assert "您好" in text
    assert (answer.headers["Content-Language"], answer.headers["Vary"]) == ("zh", "Accept, Accept-Language")
    sent = pages.show(asks(method="POST"), "hello.html", cache="no-store", city=CITY, typed="")
    assert "hreflang" not in sent.get_data(as_text=True)  # a link would not send it again


@pytest.mark.parametrize("said", [label_page.WORDS, words.WORDS], ids=["label", "report"])
def test_every_word_is_there_in_both_languages(said: Mapping[str, tuple[str, str]]) -> None:
    for name, (english, chinese) in said.items():
        assert english.isascii(), name
        assert re.search("[\u4e00-\u9fff]", chinese), name
        assert english.count("{0}") == chinese.count("{0}"), name
        assert "!" not in english + chinese, name


@pytest.mark.parametrize("folder", ["services/assets/routes", "services/inspections/report"])
def test_a_template_says_only_words_that_there_are(folder: str) -> None:
    said = {"services/assets/routes": label_page.WORDS, "services/inspections/report": words.WORDS}[folder]
    texts = [path.read_text() for path in (Path(__file__).parents[2] / folder).glob("*.html")]
    named = {name for text in texts for name in re.findall(r"say\.(\w+)", text)}
    assert named
    assert not named - said.keys()


def test_times_are_the_citys_in_the_readers_words() -> None:
    at = datetime(2026, 7, 1, 22, 5, tzinfo=UTC)
    assert moment(at, "Europe/Helsinki", "en") == "2 July 2026, 01:05"
    assert moment(at, "Asia/Shanghai", "zh") == "2026年7月2日 06:05"
    assert label_page.on_page(date(2026, 7, 1), "zh") == "2026年7月1日"
