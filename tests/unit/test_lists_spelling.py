"""One spelling of what looks the same: on the way in, and to find things by."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from services.assets.domain.facilities import BadCode, checked_code
from services.assets.domain.searching import searchable, sought
from shared.fields import Code
from shared.lists.spelling import DASHES, KANGXI, all_spelt, folded, spelt, spelt_code
from tests.unit.importing import LAMP, drafts, lamps, read, written

LAMPS = "code,name,lon,lat\nHäme-1,Hämeentie,24.9401,60.1701\nHa\u0308me-2,Ha\u0308meentie,24.9412,60.1711\n"
LAMPS += "Ａ－３,⼈民路,24.9423,60.1721\n"


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("Ha\u0308me", "Häme"),
        ("ＡＢ１２ｚ", "AB12z"),
        ("⼈⺠路", "人民路"),
        ("\u1100\u1161\u11a8", "각"),
        ("\u212b\u212a", "ÅK"),
        ("（甲）－乙，㎡ ½ ①", "（甲）－乙，㎡ ½ ①"),
        ("L–7", "L–7"),
        ("plain", "plain"),
    ],
)
def test_a_text_has_one_spelling_and_keeps_its_punctuation(text: str, usual: str) -> None:
    assert spelt(text) == usual
    assert all_spelt({text: [text, {"a": text}, 7]}) == {usual: [usual, {"a": usual}, 7]}


@pytest.mark.parametrize("dash", [*map(chr, DASHES)])
def test_any_dash_in_a_code_is_a_hyphen(dash: str) -> None:
    assert spelt_code(f"L{dash}7") == "L-7"


@pytest.mark.parametrize(
    ("code", "usual"), [("Ａ－３", "A-3"), ("＃７（甲）", "#7(甲)"), ("Ha\u0308－１", "Hä-1"), ("A²", "A²")]
)
def test_a_code_has_one_spelling(code: str, usual: str) -> None:
    assert spelt_code(code) == usual


HIDDEN = "\u200b\u00ad\ufeff\u202e\u2066\u00a0"
HIDDEN += "\ufe0f\ufe00\u034f\u2800\u115f\u1160\u3164\uffa0\u17b4\u180b\U000e0100\U000e0041"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_code_with_a_character_that_is_not_seen_is_refused(hidden: str) -> None:
    with pytest.raises(BadCode):
        checked_code(spelt_code(f"L{hidden}7"))
    with pytest.raises(ValidationError):
        Code().deserialize(f"L{hidden}7")


@pytest.mark.parametrize("code", ["L 7", "Ｌ－７", "Ｌ\u3000７", "甲-7", "Ä-7", "A\u0308-7", "हिन्दी-7", "가-7", "קוֹד7"])
def test_a_code_of_any_script_is_taken(code: str) -> None:
    assert checked_code(spelt_code(Code().deserialize(code)))


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_spelling_again_changes_nothing(text: str) -> None:
    assert spelt(spelt(text)) == spelt(text)
    assert spelt_code(spelt_code(text)) == spelt_code(text) == spelt_code(spelt(text))


@given(st.text("äÄöß人民路Ａ１⼈－–-aB7 각é", min_size=1, max_size=9), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_text_is_found_by_any_of_its_spellings(text: str, form: str) -> None:
    kept = searchable(normalize("NFD", text))
    assert sought(normalize(form, text)) in kept  # type: ignore[arg-type]
    assert folded(normalize(form, text)) == folded(text)  # type: ignore[arg-type]


def test_every_radical_of_the_dictionaries_has_an_ideograph() -> None:
    assert all(len(usual) == 1 and ord(usual) >= 0x3400 for usual in KANGXI.values())


def test_a_file_comes_in_in_one_spelling_and_says_what_was_changed(tmp_path: Path) -> None:
    understood, found = read(written(tmp_path, LAMPS), kind=LAMP)
    assert [(each["code"], each["name"]) for each in drafts(found)] == [
        ("Häme-1", "Hämeentie"), ("Häme-2", "Hämeentie"), ("A-3", "人民路")
    ]  # fmt: skip
    assert understood.repairs == [["code-respelled", "Codes are in one spelling: 'Ha\u0308me-2' is 'Häme-2'."]]


def test_two_spellings_of_one_code_are_one_lamp(tmp_path: Path) -> None:
    text = "code,lon,lat\nA-3,24.94,60.17\nＡ－３,24.95,60.17\nA–3,24.96,60.17\nHä,24.96,60.17\nHa\u0308,24.96,60.17\n"
    assert [row.reject and row.reject[0] for row in lamps(written(tmp_path, text))] == [
        None, "duplicate-code", "duplicate-code", None, "duplicate-code"
    ]  # fmt: skip


def test_headings_and_attributes_are_in_one_spelling_too(tmp_path: Path) -> None:
    text = "code,lon,lat,Ho\u0308he,Ａ\nL,24.94,60.17,scho\u0308n,１\n"
    found = lamps(written(tmp_path, text), mapping={"name": normalize("NFC", "Ho\u0308he")})
    assert (drafts(found)[0]["name"], drafts(found)[0]["attributes"]) == ("schön", {"A": "1"})


def test_rows_whose_codes_differ_by_what_is_not_seen_are_refused(tmp_path: Path) -> None:
    codes = ["A2", *(f"A{hidden}2" for hidden in "\ufe0f\u034f\u2800\u115f\u3164\u17b4\U000e0100")]
    rows = "".join(f"{code},{24.94 + at / 1000},60.17\n" for at, code in enumerate(codes))
    found = lamps(written(tmp_path, "code,lon,lat\n" + rows))
    assert [row.reject and row.reject[0] for row in found] == [None] + ["bad-code"] * 7
