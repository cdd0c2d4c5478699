"""What the report page reads, offers and bounds."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from services.inspections.report.bound import HOUR_S, Hourly, TooManyReports
from services.inspections.report.choices import Choices, Group, offered_by
from services.inspections.report.form import Typed, mistakes, read, served

FORM = "0b7f2c3e-6f0d-4b8e-9f3b-1d2a3c4e5f60"
CATALOGUE: dict[str, Any] = {
    "city": {"name": "Town", "name_zh": "城"},
    "groups": {"lighting": {"en": "Lighting", "zh": "照明"}, "roads": {"en": "Roads", "zh": "道路"}, "empty": {}},
    "kinds": {
        "street_light": {"group": "lighting", "en": "Street light", "zh": "路灯"},
        "lighting_cabinet": {"group": "lighting", "en": "Cabinet", "zh": "控制箱"},
    },
    "categories": {
        "lamp_out": {"en": "Lamp out", "zh": "灯不亮", "groups": ["lighting"], "kinds": ["street_light"]},
        "cabinet_fault": {"groups": ["lighting"], "kinds": ["lighting_cabinet"]},
        "leakage": {"en": "Leakage", "zh": "漏电", "groups": ["lighting", "roads"], "kinds": []},
        "pothole": {"en": "Pothole", "zh": "坑槽", "groups": ["roads"]},
        "other": {"en": "Other", "zh": "其他", "groups": []},
    },
}


def slugs(offered: Choices) -> list[tuple[str | None, list[str]]]:
    return [(each.name["en"] if each.name else None, list(each.categories)) for each in offered.groups]


def test_a_kind_is_offered_what_can_be_wrong_with_it() -> None:
    offered = offered_by(CATALOGUE, "street_light")
    assert slugs(offered) == [("Lighting", ["lamp_out", "leakage"]), (None, ["other"])]
    assert (offered.kind, offered.city["zh"]) == ({"en": "Street light", "zh": "路灯"}, "城")
    assert offered_by(CATALOGUE, "lighting_cabinet").groups[0].categories["cabinet_fault"]["zh"] == "cabinet_fault"


@pytest.mark.parametrize("kind", ["", "nothing", "<script>", "lighting", "__class__"])
def test_without_a_kind_that_there_is_each_category_is_offered_once_by_group(kind: str) -> None:
    offered = offered_by(CATALOGUE, kind)
    groups = [("Lighting", ["lamp_out", "cabinet_fault", "leakage"]), ("Roads", ["pothole"]), (None, ["other"])]
    assert slugs(offered) == groups
    assert offered.kind is None


def test_before_the_catalogue_is_here_something_else_can_be_reported() -> None:
    assert slugs(offered_by(None, "street_light")) == [(None, ["other"])]


@pytest.mark.parametrize(
    ("lon", "lat", "place"),
    [
        ("24.941", "60.17", {"lon": 24.941, "lat": 60.17}), ("-0.1", "51.5", {"lon": -0.1, "lat": 51.5}),
        ("180", "-90", {"lon": 180.0, "lat": -90.0}),
        ("0", "0", None), ("0.000001", "0", None), ("181", "60", None), ("24", "91", None), ("", "", None),
        ("24.9", "", None), ("nan", "60", None), ("inf", "60", None), ("1e1", "60", None), ("24,9", "60", None),
        ("٢٤", "60", None), ("24.9' OR 1=1", "60", None), ("+24", "60", None),
    ],
)  # fmt: skip
def test_a_place_is_two_plain_numbers_on_the_earth(lon: str, lat: str, place: dict[str, float] | None) -> None:
    assert read({"lon": lon, "lat": lat}).location == place


def test_what_cannot_be_typed_is_left_out_and_lines_are_kept() -> None:
    typed = read({"id": FORM, "words": " a\r\nb\x00\x07\ud800 ", "facility": "\tL-1 "})
    assert (typed.words, typed.facility, typed.id) == ("a\nb", "L-1", FORM)


@pytest.mark.parametrize("given", ["", "x", FORM.upper(), f"{FORM}0", "{" + FORM + "}"])
def test_a_form_without_an_id_of_ours_gets_one(given: str) -> None:
    assert UUID(read({"id": given}).id) != UUID(FORM)


def test_a_link_names_no_form_and_says_nothing_in_the_readers_place() -> None:
    typed = served({"id": FORM, "kind": "bridge", "words": "mine", "category": "lamp_out"})
    assert typed.id != FORM
    assert (typed.kind, typed.words, typed.category) == ("bridge", "", "")


def test_the_same_form_with_the_same_in_it_is_one_report_and_changed_another() -> None:
    first = Typed(id=FORM, facility="L-1", category="lamp_out", words="dark")
    same = Typed(id=FORM, facility="L-1", category="lamp_out", words="dark")
    others = [
        Typed(id=FORM, facility="L-1", category="lamp_out", words="dark!"),
        Typed(id=FORM, facility="L-1d", category="lamp_out", words="ark"),
        Typed(id=FORM.replace("0b", "1b"), facility="L-1", category="lamp_out", words="dark"),
    ]
    assert first.finding_id == same.finding_id
    assert len({first.finding_id, *(each.finding_id for each in others)}) == 4


OFFERED = Choices({}, None, [Group(None, {"lamp_out": {}})])


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"facility": "L-1"}, {}),
        ({"lon": "24.9", "lat": "60.1"}, {}),
        ({"facility": "井 7%<b>'\""}, {}),
        ({}, {"facility": "nowhere"}),
        ({"lon": "0", "lat": "0"}, {"facility": "nowhere"}),
        ({"facility": "a/b", "lon": "24.9", "lat": "60.1"}, {"facility": "no_code"}),
        ({"facility": "x" * 101}, {"facility": "no_code"}),
        ({"facility": "L-1", "category": ""}, {"category": "choose"}),
        ({"facility": "L-1", "category": "pothole"}, {"category": "choose"}),
        ({"facility": "L-1", "words": "语" * 2000}, {}),
        ({"facility": "L-1", "words": "语" * 2001}, {"words": "too_long"}),
        ({"category": "", "words": "x" * 2001}, {"category": "choose", "facility": "nowhere", "words": "too_long"}),
    ],
)
def test_each_mistake_is_told_at_its_field(typed: dict[str, str], wrong: dict[str, str]) -> None:
    assert mistakes(read({"category": "lamp_out"} | typed), OFFERED) == wrong


def test_an_address_makes_so_many_reports_in_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    hourly = Hourly()
    for _ in range(3):
        hourly.take("192.0.2.1", 3)
        now += 60
    with pytest.raises(TooManyReports) as refused:
        hourly.take("192.0.2.1", 3)
    assert refused.value.retry_after_s == HOUR_S - 180
    hourly.take("::ffff:192.0.2.2", 3)
    now += HOUR_S - 180 + 1
    hourly.take("192.0.2.1", 3)
    with pytest.raises(TooManyReports):
        hourly.take("192.0.2.1", 3)


def test_an_ipv6_household_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = Hourly()
    hourly.take("2001:db8:1:2::1", 1)
    with pytest.raises(TooManyReports):
        hourly.take("2001:db8:1:2:ffff::9", 1)
    hourly.take("2001:db8:1:3::1", 1)
    hourly.take("", 1)


def test_addresses_are_forgotten_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    hourly = Hourly()
    for number in range(256):
        hourly.take(f"192.0.2.{number}", 1)
    now += HOUR_S + 1
    hourly.take("198.51.100.1", 1)
    assert list(hourly._times) == ["198.51.100.1"]
