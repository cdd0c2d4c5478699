"""Label sheets: places on the paper, and what a reader of codes would see there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pypdfium2.raw as pdfium
import pytest
from pypdfium2 import PdfDocument, PdfPage
from reportlab.lib.units import mm
from zxingcpp import read_barcodes

from services.assets.domain.labels import (
    A4_MM,
    SHEETS,
    USUAL,
    Label,
    Reach,
    Sheet,
    address_of,
    divided,
    notice_of,
    reach_of,
)
from services.assets.label_sheets import LACKING, QUIET, draw, modules, printable

ALL_SHEETS = {**SHEETS, "4x12": divided(4, 12), "1x1": divided(1, 1)}


def a_label(code: str, street: str = "干将东路") -> Label:
    return Label(
        code=code, kind_zh="路灯", kind_en="Street light", street=street, opens=address_of("https://city.example", code)
    )


def page_of(pdf: bytes) -> PdfPage:
    return PdfDocument(pdf)[0]


def boxes_of(page: PdfPage) -> list[tuple[float, float, float, float]]:
    """Where each thing on a page stands: left, bottom, right, top in points."""
    return [each.get_bounds() for each in page.get_objects()]


def fonts_of(pdf: bytes) -> Iterator[tuple[str, bool]]:
    """The fonts that a page's texts are set in, and whether they are in the file."""
    for text in page_of(pdf).get_objects([pdfium.FPDF_PAGEOBJ_TEXT]):
        font = text.get_font()
        yield font.get_base_name(), font.is_embedded


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
    assert len(PdfDocument(pdf)) == (count + 23) // 24


def test_a_reader_of_codes_sees_the_address_of_every_label_on_the_page() -> None:
    labels = [a_label(code) for code in ("HEL-LAMP-314737872", "路灯 7#?%", "3205080101000001", "x" * 100)]
    seen = read_barcodes(page_of(draw(labels, divided(2, 4))).render(scale=4).to_pil())
    assert {each.text for each in seen} == {each.opens for each in labels}
    assert {each.ec_level for each in seen} == {"M"}


def test_a_qr_code_keeps_its_quiet_margin_and_its_modules_are_large_enough_to_scan() -> None:
    sheet = SHEETS[USUAL]
    side_mm = min(sheet.height_mm, sheet.width_mm / 2) - 5
    module_mm = side_mm / (len(modules(a_label("3205080101000001").opens)) + 2 * QUIET)
    assert module_mm > 0.7  # 0.4 mm is what telephones still read at arm's length


STREETS = ("干将东路", "臺灣路", "Mäkelänkatu", "Łódź Żółć", "Đường Nguyễn Huệ", "Невский", "nǚ ǎ", "さくら通り")


@pytest.mark.parametrize("street", STREETS)
def test_what_is_printed_is_in_the_pdf_as_text_and_as_fonts(street: str) -> None:
    pdf = draw([a_label("灯 7#", street)], SHEETS["2x7-99.1x38.1"])
    assert page_of(pdf).get_textpage().get_text_bounded().split("\r\n") == ["灯 7#", "路灯", "Street light", street]
    assert all(has_its_file for _, has_its_file in fonts_of(pdf))
    assert {name for name, _ in fonts_of(pdf)} == {"NotoSans-Regular", "WenQuanYiMicroHei-0"}
    assert b"Helvetica" not in pdf
    assert len(pdf) < 100_000  # of fonts of 7 MB


def test_every_letter_of_gbk_is_printed_and_has_a_picture() -> None:
    pairs = (bytes((first, second)) for first in range(0x81, 0xFF) for second in range(0x40, 0xFF))
    letters = {letter for pair in pairs if len(letter := pair.decode("gbk", "ignore")) == 1 and letter > "\x7f"}
    assert len(letters) > 21_000
    assert {each for each in letters if printable(each) in ("", LACKING)} == {LACKING, "☉"}


@pytest.mark.parametrize(
    ("text", "printed"),
    {
        "𠮷岭路": "□岭路",  # beyond the font
        "شارع": "□□□□",
        "🚦": "□",
        "Ⅴ区": "V区",  # the font names it and has no picture
        "e\u0301\u200b\u2011\ufe0f": "é\u2011",  # composed, without what is never seen
        "a\u3000b\u00a0c\td": "a b c d",
        "\ufffe": "□",
    }.items(),
)
def test_what_no_font_has_is_a_box_and_never_nothing(text: str, printed: str) -> None:
    assert printable(text) == printed


def test_a_label_without_a_letter_that_is_seen_still_has_its_code() -> None:
    label = Label(code="\u00ad", kind_zh="", kind_en="", street="\u200b", opens="https://city.example/f/x")
    (seen,) = read_barcodes(page_of(draw([label], SHEETS[USUAL])).render(scale=4).to_pil())
    assert seen.text == label.opens


def test_more_letters_than_a_subset_holds_are_printed_all_the_same() -> None:
    """A font in a PDF has 256 letters at most; there are as many fonts as it takes."""
    streets = [chr(0x4E00 + 8 * each) * 3 for each in range(600)]
    pdf = draw([a_label(f"L-{number}", street) for number, street in enumerate(streets)], divided(6, 16))
    pages = PdfDocument(pdf)
    printed = "".join(pages[each].get_textpage().get_text_bounded() for each in range(len(pages)))
    assert [street for street in streets if street not in printed] == []


def test_an_address_holds_any_code() -> None:
    assert address_of("https://city.example/", "路灯 7#?%") == "https://city.example/f/%E8%B7%AF%E7%81%AF%207%23%3F%25"


def test_a_long_text_is_cut_to_its_label() -> None:
    page = page_of(draw([a_label("X" * 100, "路" * 200)], divided(6, 16)))
    assert "路…" in page.get_textpage().get_text_bounded()
    assert max(right for _, _, right, _ in boxes_of(page)) < (8 + (210 - 16) / 6) * mm


OPENED = {
    "https://lamps.city.gov.cn": Reach.ANYBODY,
    "https://路灯.中国/a": Reach.ANYBODY,
    "https://[2001:4860::1]:8443": Reach.ANYBODY,
    "http://8.8.8.8": Reach.ANYBODY,
    "http://localhosts.org": Reach.ANYBODY,
    "http://192.168.1.5:8000": Reach.INSIDE,
    "http://10.0.0.7": Reach.INSIDE,
    "http://172.20.1.1": Reach.INSIDE,
    "http://100.64.0.1": Reach.INSIDE,
    "http://[fd00::5]": Reach.INSIDE,
    "http://waywarden": Reach.INSIDE,
    "http://lamps.LOCAL:8000": Reach.INSIDE,
    "http://127.0.0.1:8000": Reach.NOBODY,
    "http://１２７.0.0.1": Reach.NOBODY,
    "http://①②⑦.0.0.1": Reach.NOBODY,
    "http://%31%32%37.0.0.1": Reach.NOBODY,
    "http://127。0。0。1": Reach.NOBODY,
    "http://ｌｏｃａｌｈｏｓｔ": Reach.NOBODY,
    "http://loc%61lhost.": Reach.NOBODY,
    "http://127.9.9.9/path": Reach.NOBODY,
    "http://127.1": Reach.NOBODY,
    "http://0x7f000001": Reach.NOBODY,
    "http://2130706433": Reach.NOBODY,
    "http://0.0.0.0:8000": Reach.NOBODY,
    "http://0": Reach.NOBODY,
    "http://169.254.10.1": Reach.NOBODY,
    "http://255.255.255.255": Reach.NOBODY,
    "http://[::1]:8000": Reach.NOBODY,
    "http://[::]": Reach.NOBODY,
    "http://[::ffff:127.0.0.1]": Reach.NOBODY,
    "http://[fe80::1%25eth0]": Reach.NOBODY,
    "http://LocalHost.:8000": Reach.NOBODY,
    "http://me@localhost": Reach.NOBODY,
    "http://api.localhost": Reach.NOBODY,
    "http://localhost.localdomain": Reach.NOBODY,
    "https://waywarden.example.org": Reach.NOBODY,
    "http://[::1": Reach.NOBODY,
    "http://:8000": Reach.NOBODY,
    "": Reach.NOBODY,
}


@pytest.mark.parametrize(("url", "reach"), OPENED.items())
def test_an_address_that_phones_cannot_open_is_known_by_any_spelling(url: str, reach: Reach) -> None:
    assert reach_of(url) is reach


@pytest.mark.parametrize("url", [url for url, reach in OPENED.items() if reach is not Reach.ANYBODY])
def test_labels_that_phones_cannot_open_begin_with_a_page_that_says_so(url: str) -> None:
    label = Label(code="L-1", kind_zh="路灯", kind_en="Street light", street="", opens=address_of(url, "L-1"))
    pages = PdfDocument(draw([label], SHEETS[USUAL], notice_of(url)))
    said = pages[0].get_textpage().get_text_bounded()
    assert len(pages) == 2
    assert url in said
    assert "WAYWARDEN_PUBLIC_URL" in said
    assert re.search("打不开|只在内部网络", said)
    assert re.search("no phone can open|inside your own network", said)
    assert "L-1" in pages[1].get_textpage().get_text_bounded()


@pytest.mark.parametrize("url", [url for url, reach in OPENED.items() if reach is Reach.ANYBODY])
def test_labels_that_anybody_can_open_come_without_a_page_before_them(url: str) -> None:
    assert notice_of(url) == []
