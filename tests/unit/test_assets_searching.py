"""The text that facilities are searched in."""

from __future__ import annotations

import pytest

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


def test_each_ideograph_is_a_word_so_that_two_of_them_have_trigrams() -> None:
    assert sought("路灯") == " 路 灯 "
