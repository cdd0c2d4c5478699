"""Limits and when they run out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workorders.domain.catalogue import Catalogue
from services.workorders.domain.clocks import CLOSES, OPENS, Clock, Limit, run

HELSINKI = ZoneInfo("Europe/Helsinki")
FRIDAY_16 = datetime(2026, 3, 6, 16, tzinfo=HELSINKI)
CONTENT = {
    "kinds": {"street_light": {"group": "lighting"}},
    "categories": {
        "lamp_out": {
            "groups": ["lighting"],
            "limits": {"dispose": {"amount": 24, "clock": "urgent_hour", "source": "public rule"}},
            "limits_by_severity": {"emergency": {"dispose": {"amount": 1, "clock": "urgent_hour"}}},
        },
        "other": {"groups": ["roads", "lighting"], "limits": {}},
    },
    "lighting": {"timezone": "Europe/Helsinki"},
}
CATALOGUE = Catalogue(name="city", revision=3, content=CONTENT)


def due(amount: float, clock: Clock, start: datetime = FRIDAY_16) -> datetime:
    return run(Limit(amount, clock, "test"), start, HELSINKI).due_at


def test_an_urgent_hour_runs_through_nights_and_weekends() -> None:
    assert due(24, Clock.URGENT_HOUR) == FRIDAY_16 + timedelta(hours=24)


def test_a_natural_day_has_twenty_four_hours() -> None:
    assert due(2, Clock.NATURAL_DAY) == FRIDAY_16 + timedelta(hours=48)


def test_a_work_hour_rests_over_the_weekend() -> None:
    assert due(2, Clock.WORK_HOUR) == datetime(2026, 3, 9, 10, tzinfo=HELSINKI)


def test_a_work_day_is_the_same_hour_of_the_next_working_day() -> None:
    assert due(1, Clock.WORK_DAY) == datetime(2026, 3, 9, 16, tzinfo=HELSINKI)


def test_what_is_registered_on_a_sunday_starts_on_monday_morning() -> None:
    sunday = datetime(2026, 3, 8, 13, tzinfo=HELSINKI)
    assert due(3, Clock.WORK_HOUR, sunday) == datetime(2026, 3, 9, 12, tzinfo=HELSINKI)


def test_working_hours_stay_local_when_the_clocks_change() -> None:
    """In Helsinki summer time begins on 29 March 2026."""
    friday = datetime(2026, 3, 27, 16, tzinfo=HELSINKI)
    assert due(1, Clock.WORK_DAY, friday) == datetime(2026, 3, 30, 16, tzinfo=HELSINKI)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.floats(0.01, 200),
    st.sampled_from(list(Clock)),
)
def test_every_limit_warns_before_it_is_due_and_ends_in_its_own_time(start: datetime, n: float, clock: Clock) -> None:
    term = run(Limit(n, clock, "test"), start, HELSINKI)
    assert start <= term.warn_at <= term.due_at
    if clock in (Clock.WORK_HOUR, Clock.WORK_DAY):
        local = term.due_at.astimezone(HELSINKI)
        assert local.weekday() < 5
        assert OPENS <= local.time() <= CLOSES


def test_the_rule_that_applied_is_named() -> None:
    limit = CATALOGUE.dispose_limit("lamp_out", "normal")
    assert limit == Limit(24.0, Clock.URGENT_HOUR, "catalogue 3: lamp_out, dispose (public rule)")


def test_a_severity_may_have_a_limit_of_its_own() -> None:
    limit = CATALOGUE.dispose_limit("lamp_out", "emergency")
    assert (limit.amount, limit.source) == (1.0, "catalogue 3: lamp_out, emergency, dispose")


@pytest.mark.parametrize("catalogue", [CATALOGUE, Catalogue(name="")])
def test_a_category_without_a_limit_gets_a_day_and_says_so(catalogue: Catalogue) -> None:
    limit = catalogue.dispose_limit("unheard_of", "normal")
    assert (limit.amount, limit.clock, limit.source) == (24.0, Clock.URGENT_HOUR, "no rule known: 24 hours")


@pytest.mark.parametrize(
    ("category", "kind", "group"),
    [
        ("other", "street_light", "lighting"),
        ("lamp_out", None, "lighting"),
        ("other", None, None),
        ("new", "new", None),
    ],
)
def test_the_group_is_the_kinds_else_the_categorys_only_one(category: str, kind: str | None, group: str | None) -> None:
    assert CATALOGUE.group_of(category, kind) == group
