"""Label sheets: places on the paper, and what a reader of codes would see there."""

from __future__ import annotations

import re

import pytest

from services.assets.domain.labels import A4_MM, SHEETS, USUAL, Label, Sheet, address_of, divided
from services.assets.label_sheets import QUIET, draw, modules

ALL_SHEETS = {**SHEETS, "4x12": divided(4, 12), "1x1": divided(1, 1)}
RECTANGLE = re.compile(rb"([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+) re")


def a_label(code: str, street: str = "干将东路") -> Label:
    return Label(
        code=code, kind_zh="路灯", kind_en="Street light", street=street, opens=address_of("https://city.example", code)
    )


@pytest.mark.parametrize("sheet", ALL_SHEETS.values(), ids=list(ALL_SHEETS))
def test_labels_lie_side_by_side_within_the_page(sheet: Sheet) -> None:
    places = list(sheet.places())
    assert len(set(places)) == sheet.size
    assert max(right for right, _ in places) + sheet.width_mm <= A4_MM[0] + 0.001
    assert max(down for _, down in places) + sheet.height_mm <= A4_MM[1] + 0.001
    assert sheet.columns == 1 or places[1][0] - places[0][0] >= sheet.width_mm


@pytest.mark.parametrize("count", [1, 24, 25])
def test_a_sheet_has_as_many_pages_as_its_labels_need(count: int) -> None:
    pdf = draw([a_label(f"L-{each}") for each in range(count)], SHEETS[USUAL])
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") == (count + 23) // 24


def test_the_qr_code_on_the_page_is_that_of_the_address() -> None:
    """Read the dark rectangles back from the page, module by module."""
    expected = modules("https://city.example/f/HEL-LAMP-314737872")
    dark = [
        tuple(map(float, each))
        for each in RECTANGLE.findall(draw([a_label("HEL-LAMP-314737872")], divided(2, 4), compress=False))
    ]
    step = min(height for *_, height in dark)
    left, top = min(x for x, *_ in dark), max(y + height for _, y, _, height in dark)
    seen = [[False] * len(expected) for _ in expected]
    for x, y, width, height in dark:
        row, first = round((top - y - height) / step), round((x - left) / step)
        for column in range(first, first + round(width / step)):
            seen[row][column] = True
    assert seen == expected


def test_a_qr_code_keeps_its_quiet_margin_and_its_modules_are_large_enough_to_scan() -> None:
    sheet = SHEETS[USUAL]
    side_mm = min(sheet.height_mm, sheet.width_mm / 2) - 5
    module_mm = side_mm / (len(modules(a_label("3205080101000001").opens)) + 2 * QUIET)
    assert module_mm > 0.7  # 0.4 mm is what telephones still read at arm's length


def test_chinese_is_set_in_a_font_of_the_reader_and_western_letters_in_helvetica() -> None:
    pdf = draw([a_label("灯 7#?%", "Mäkelänkatu")], SHEETS[USUAL], compress=False)
    assert b"/STSong-Light" in pdf
    assert b"FontFile" not in pdf


def test_an_address_holds_any_code() -> None:
    assert address_of("https://city.example/", "路灯 7#?%") == "https://city.example/f/%E8%B7%AF%E7%81%AF%207%23%3F%25"


def test_a_long_text_is_cut_to_its_label() -> None:
    assert draw([a_label("X" * 100, "路" * 200)], divided(6, 16)).startswith(b"%PDF-")
