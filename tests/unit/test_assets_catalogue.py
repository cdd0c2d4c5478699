"""The catalogue file: what is in it, and how a mistake in it is told."""

from __future__ import annotations

import json

import pytest

from services.assets.domain.catalogue import FILE, CatalogueError, Unit, read_catalogue, the_catalogue

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


def test_only_a_dark_lamp_is_found_once() -> None:
    assert [slug for slug, each in the_catalogue().categories.items() if each.single] == ["lamp_out"]


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
