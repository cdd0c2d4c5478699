"""The catalogue file: what is in it, and how a mistake in it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.assets.domain.attributes import WrongAttribute, check_attributes
from services.assets.domain.catalogue import FILE, Unit, read_catalogue, the_catalogue
from services.assets.domain.sections import CatalogueError
from services.assets.sample import drafts

TEXT = FILE.read_text(encoding="utf-8")
KINDS = """street_light landscape_light lighting_cabinet lighting_cable carriageway footway kerb guardrail bridge
name_plate manhole drain_pipe channel box_culvert inlet outfall pump_station interceptor"""
BREAKING = """lamp_out pole_damaged leakage cabinet_fault cable_fault pothole subsidence rutting footway_damaged
kerb_damaged guardrail_damaged name_plate_damaged bridge_defect cover_missing cover_broken cover_sunk overflow
pipe_blocked pipe_broken grate_missing grate_blocked pump_fault standing_water"""


def test_it_has_the_kinds_of_the_field() -> None:
    assert sorted(the_catalogue().kinds) == sorted(KINDS.split())


def test_exactly_the_categories_that_break_the_function_leave_the_intact_rate() -> None:
    breaking = [slug for slug, each in the_catalogue().categories.items() if each.breaks_function]
    assert sorted(breaking) == sorted(BREAKING.split())


def test_roads_are_measured_by_area_and_pipes_by_length() -> None:
    kinds = the_catalogue().kinds
    assert (kinds["footway"].unit, kinds["drain_pipe"].unit) == (Unit.SQUARE_METRE, Unit.METRE)


def test_what_a_thing_has_once_is_found_once_and_what_a_stretch_may_have_often_is_not() -> None:
    single = {slug for slug, each in the_catalogue().categories.items() if each.single}
    assert single >= {"lamp_out", "cover_missing", "cover_broken", "grate_missing", "net_missing", "cabinet_fault"}
    assert single.isdisjoint({"pothole", "crack", "pipe_blocked", "kerb_damaged", "leakage", "standing_water", "other"})


def test_a_leakage_is_an_emergency_whatever_was_reported() -> None:
    categories = the_catalogue().categories
    assert categories["leakage"].severity_of("normal") == "emergency"
    assert categories["pothole"].severity_of("normal") == "normal"


def test_a_limit_comes_from_the_category_else_its_group_else_the_general_ones() -> None:
    categories = the_catalogue().categories
    assert categories["cover_missing"].limits["dispose"].amount == 6
    assert categories["lamp_out"].limits["dispose"].amount == 24
    assert categories["lamp_out"].limits_by_severity["emergency"]["dispose"].amount == 1
    assert categories["other"].limits["dispose"].clock == "work_day"


def test_every_limit_says_where_it_comes_from() -> None:
    categories = the_catalogue().categories.values()
    assert all(limit.source for category in categories for limit in category.limits.values())
    assert all(set(category.limits) == {"register", "dispatch", "dispose", "check"} for category in categories)


def test_a_category_that_was_removed_counts_as_one_that_fits_nothing() -> None:
    gone = the_catalogue().category("gone")
    assert not gone.breaks_function
    assert the_catalogue().nearest_kinds(gone) == set()


def test_what_is_published_is_plain_json_with_what_the_others_need() -> None:
    published = the_catalogue().as_published()
    assert json.loads(json.dumps(published)) == published
    assert published["kinds"]["street_light"]["group"] == "lighting"
    assert published["categories"]["lamp_out"]["limits"]["dispose"] == {
        "amount": 24.0,
        "clock": "urgent_hour",
        "source": "public rule: lighting fault 24 h",
    }
    assert published["lighting"]["timezone"] == "Europe/Helsinki"


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ('unit = "m2"', 'unit = "ft2"', "kinds.carriageway.unit"),
        ("severity_fixed = true", "severity_fxed = true", "categories.leakage.severity_fxed"),
        ("breaks_function = true", 'breaks_function = "yes"', "categories.lamp_out.breaks_function"),
        ('kinds = ["inlet"]', 'kinds = ["kerb"]', "categories.grate_missing.kinds"),
        ("latitude = 60.172", "latitude = 160.172", "lighting.latitude"),
        ('zh = "护栏"', 'zh = ""', "kinds.guardrail.zh"),
        ('dispose = { amount = 24, clock = "urgent_hour"', 'dispose = { amount = 24, clock = "lunar"', "clock"),
        ('led = ["LED", "LED灯"]', 'led = ["LED"]', "groups.lighting.attributes.lamp_type.values.led"),
        (
            'anti_fall_net = { en = "Has an anti-fall net", zh = "有防坠网", type = "boolean" }',
            'anti_fall_net = { en = "Has an anti-fall net", zh = "有防坠网", type = "flag" }',
            "kinds.manhole.attributes.anti_fall_net.type",
        ),
        ("bounds = [24.78, 59.92, 25.26, 60.30]", "bounds = [25.26, 59.92, 24.78, 60.30]", "city.bounds"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(right: str, wrong: str, key: str) -> None:
    line = TEXT[: TEXT.index(right)].count("\n") + 1
    with pytest.raises(CatalogueError, match=rf"line {line}: .*{key}"):
        read_catalogue(TEXT.replace(right, wrong, 1))


def test_broken_toml_is_told_with_its_line() -> None:
    with pytest.raises(CatalogueError, match="line 3"):
        read_catalogue("[city]\nname = 'x'\n[[[\n")


def test_a_missing_table_is_named() -> None:
    with pytest.raises(CatalogueError, match="lighting: is missing"):
        read_catalogue(TEXT.replace("[lighting]", "[lightning]"))


def test_a_kind_has_the_attributes_of_its_group_and_its_own() -> None:
    kinds = the_catalogue().kinds
    assert kinds["street_light"].attributes["power_w"].unit == "W"
    assert {"network", "anti_fall_net", "cover_material"} <= kinds["manhole"].attributes.keys()
    assert {"network", "diameter_mm", "from", "to"} <= kinds["drain_pipe"].attributes.keys()


def test_the_sample_fits_its_attributes() -> None:
    for draft in drafts():
        check_attributes(the_catalogue().attributes_of(draft["kind"]), draft["attributes"])


@pytest.mark.parametrize(
    ("kind", "name", "good", "bad", "why"),
    [
        ("street_light", "lamp_type", "led", "LED", "must be one of led, sodium"),
        ("street_light", "power_w", 150.5, "150", "must be a number, not '150'"),
        ("street_light", "power_w", None, -1, "must be at least 0 W"),
        ("street_light", "lamps", 2.0, 2.5, "must be a whole number"),
        ("street_light", "lamps", 2, True, "must be a whole number"),
        ("manhole", "anti_fall_net", False, "no", "must be true or false"),
        ("bridge", "inspected_on", "2024-02-29", "2023-02-29", "must be a date"),
        ("name_plate", "text", "人民路", 5, "must be text"),
    ],
)
def test_a_known_attribute_must_fit_and_is_named_when_it_does_not(
    kind: str, name: str, good: Any, bad: Any, why: str
) -> None:
    known = the_catalogue().attributes_of(kind)
    check_attributes(known, {name: good, "anything": {"else": 1}})
    with pytest.raises(WrongAttribute, match=why) as refused:
        check_attributes(known, {name: bad})
    assert refused.value.field == f"attributes.{name}"


@pytest.mark.parametrize(
    ("kind", "name", "text", "value"),
    [
        ("street_light", "lamp_type", "高压钠灯", "sodium"),
        ("street_light", "lamp_type", "Metal-Halide ", "metal_halide"),
        ("street_light", "lamps", "2.0", 2),
        ("manhole", "anti_fall_net", "有", True),
        ("bridge", "inspected_on", "2024/3/9", "2024-03-09"),
        ("drain_pipe", "diameter_mm", " 300 ", 300.0),
    ],
)
def test_an_attribute_reads_what_files_spell(kind: str, name: str, text: str, value: Any) -> None:
    assert the_catalogue().attributes_of(kind)[name].read(text) == value


def test_what_is_no_value_of_an_attribute_is_not_read() -> None:
    known = the_catalogue().attributes_of("street_light")
    for name, text in (("lamp_type", "gas"), ("power_w", "nan"), ("power_w", "-3"), ("lamps", "inf")):
        with pytest.raises(ValueError, match="must be"):
            known[name].read(text)
