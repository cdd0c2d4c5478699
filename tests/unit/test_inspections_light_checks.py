"""A night patrol's look at lamps, and what each look leads to."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.inspections.domain.light_checks import Judged, LightCheck, Outcome, SeenTwice, new_light_check

NIGHT = datetime(2026, 3, 2, 21, tzinfo=UTC)


YES, NO, NOBODY = Judged(True), Judged(False, "not-planned: …"), Judged(None, "unknown-lamp: …")


def check(**lit: bool) -> LightCheck:
    lamps = [{"facility_code": code, "lit": burns} for code, burns in lit.items()]
    return new_light_check(id=UUID(int=7), inspector="i", checked_at=NIGHT, now=NIGHT, lamps=lamps)


def outcomes(seen: LightCheck) -> list[Outcome]:
    return [look.shown for look in seen.lamps]


def test_until_it_is_judged_a_dark_lamp_is_awaited() -> None:
    seen = check(a=True, b=False)
    assert outcomes(seen) == [Outcome.LIT, Outcome.AWAITED]
    assert seen.within is None


def test_a_dark_lamp_is_a_finding_and_one_that_stood_is_not_reported_again() -> None:
    seen, standing = check(a=True, b=False, c=False), uuid4()
    assert seen.judge({"a": YES, "b": YES, "c": YES}) == ["b", "c"]
    seen.conclude({"b": seen.finding_id("b"), "c": standing})
    assert outcomes(seen) == [Outcome.LIT, Outcome.FINDING, Outcome.ALREADY_REPORTED]
    assert seen.lamps[2].finding_id == standing
    assert (seen.within, seen.lamps_planned, seen.revision) == (True, 3, 2)


def test_a_lamp_that_need_not_burn_and_one_that_nobody_knows_are_no_findings() -> None:
    seen = check(a=False, b=False, c=True, d=True)
    assert seen.judge({"a": NO, "b": NOBODY, "c": NO, "d": NOBODY}) == []
    assert outcomes(seen) == [Outcome.OUTSIDE_LIGHTING_HOURS, Outcome.UNKNOWN_LAMP, Outcome.LIT, Outcome.UNKNOWN_LAMP]
    assert [look.reason for look in seen.lamps] == [NO.reason, NOBODY.reason] * 2
    assert seen.within is False


def test_what_the_version_before_reported_already_is_not_reported_again() -> None:
    seen = check(a=False)
    seen.lamps[0].outcome, seen.lamps[0].verdict = Outcome.FINDING, None
    seen.lamps[0].finding_id = seen.finding_id("a")
    assert seen.judge({"a": YES}) == []
    assert outcomes(seen) == [Outcome.FINDING]


def test_the_counts_are_those_of_the_walk() -> None:
    seen = check(a=True, b=False, c=True)
    assert (seen.lamps_checked, seen.lamps_lit) == (3, 2)


def test_the_finding_of_a_lamp_has_the_same_id_whenever_it_is_worked_out() -> None:
    assert check(a=False).finding_id("a") == check(a=False).finding_id("a")


def test_a_lamp_stands_in_a_check_once() -> None:
    lamps = [{"facility_code": "a", "lit": True}, {"facility_code": "a", "lit": False}]
    with pytest.raises(SeenTwice) as refused:
        new_light_check(id=uuid4(), inspector="i", checked_at=NIGHT, now=NIGHT, lamps=lamps)
    assert refused.value.field == "lamps"
