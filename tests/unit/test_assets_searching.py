"""The text that facilities are searched in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assets.domain.searching import searchable, sought


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("union", True),
        ("UNIONIN", True),
        ("灯", True),
        ("路灯", True),
        ("路 灯", True),
        ("中山路", True),
        ("灯路", False),
        ("灯中", False),  # from one field into the next
        ("l-7", True),
        ("  l-7 ", True),
        ("%", False),
    ],
)
def test_any_part_of_code_name_or_street_is_found_in_any_script(q: str, found: bool) -> None:
    assert (sought(q) in searchable("L-7", "Unioninkatu 路灯", "中山路")) == found


@given(st.text("南海路灯aB1- ", min_size=1, max_size=12), st.data())
def test_every_part_of_a_text_is_found(text: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(text) - 1))
    q = text[first : data.draw(st.integers(first + 1, len(text)))]
    assert sought(q) in searchable(text)


@given(st.text("南海路灯a1", min_size=1, max_size=12), st.text("南海路灯a1", min_size=1, max_size=3))
def test_nothing_else_is_found(text: str, q: str) -> None:
    assert (sought(q) in searchable(text)) == (q in text)


def test_two_neighbours_make_a_word_because_single_characters_stand_everywhere() -> None:
    assert searchable("南海路12号") == " 南海 海路 路 12 号 "
    assert sought("海路") == " 海路 "
    assert sought("海") == " 海"
