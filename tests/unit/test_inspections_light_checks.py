"""A night patrol's look at lamps, and what each look leads to."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.inspections.domain.light_checks import LightCheck, Outcome, SeenTwice, new_light_check

NIGHT = datetime(2026, 3, 2, 21, tzinfo=UTC)


def check(*, within: bool = True, **lit: bool) -> LightCheck:
    lamps = [{"facility_code": code, "lit": burns} for code, burns in lit.items()]
    return new_light_check(id=UUID(int=7), inspector="i", checked_at=NIGHT, now=NIGHT, within=within, lamps=lamps)


def test_a_dark_lamp_is_a_finding_and_one_that_stood_is_not_reported_again() -> None:
    seen, standing = check(a=True, b=False, c=False), uuid4()
    seen.conclude({"b": seen.finding_id("b"), "c": standing})
    assert [look.outcome for look in seen.lamps] == [Outcome.LIT, Outcome.FINDING, Outcome.ALREADY_REPORTED]
    assert seen.lamps[2].finding_id == standing


def test_by_day_no_lamp_needs_to_burn() -> None:
    seen = check(within=False, a=False)
    seen.conclude({})
    assert (seen.dark, seen.lamps[0].outcome) == ([], Outcome.OUTSIDE_LIGHTING_HOURS)


def test_the_counts_are_those_of_the_walk() -> None:
    seen = check(a=True, b=False, c=True)
    assert (seen.lamps_checked, seen.lamps_lit) == (3, 2)


def test_the_finding_of_a_lamp_has_the_same_id_whenever_it_is_worked_out() -> None:
    assert check(a=False).finding_id("a") == check(a=False).finding_id("a")


def test_a_lamp_stands_in_a_check_once() -> None:
    lamps = [{"facility_code": "a", "lit": True}, {"facility_code": "a", "lit": False}]
    with pytest.raises(SeenTwice) as refused:
        new_light_check(id=uuid4(), inspector="i", checked_at=NIGHT, now=NIGHT, within=True, lamps=lamps)
    assert refused.value.field == "lamps"
