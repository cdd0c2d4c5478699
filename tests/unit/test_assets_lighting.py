"""When lamps should burn: in Helsinki's summer, in the polar night, in Harbin, at the equator, when clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from astral import Observer
from astral.sun import sunrise, sunset
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assets.domain.catalogue import Catalogue, the_catalogue
from services.assets.domain.lighting import DAY, LightingSchedule, Plan, WrongSchedule, plan, schedule_of

PLACES = {
    "Helsinki": (24.945, 60.172, "Europe/Helsinki"),
    "Tromsø": (18.96, 69.65, "Europe/Oslo"),
    "Harbin": (126.53, 45.8, "Asia/Shanghai"),
    "Ürümqi": (87.62, 43.83, "Asia/Shanghai"),  # by Beijing's clock
    "Singapore": (103.82, 1.35, "Asia/Singapore"),
    "Apia": (-171.76, -13.83, "Pacific/Apia"),  # on the other side of the date line from its longitude
}


def catalogue_of(name: str, on: float = 0, off: float = 0) -> Catalogue:
    longitude, latitude, zone = PLACES[name]
    lighting = replace(
        the_catalogue().lighting,
        longitude=longitude,
        latitude=latitude,
        timezone=zone,
        on_after_sunset_min=on,
        off_before_sunrise_min=off,
    )
    return replace(the_catalogue(), lighting=lighting)


def planned(name: str, night: str, on: float = 0, off: float = 0, **schedule: Any) -> Plan:
    return plan(LightingSchedule(code="city", **schedule), date.fromisoformat(night), catalogue_of(name, on, off))


def times(name: str, *args: Any, **schedule: Any) -> list[tuple[str, str]]:
    """From when to when, as day of the month and local time."""
    zone = ZoneInfo(PLACES[name][2])
    spans = planned(name, *args, **schedule).spans
    return [(f"{on.astimezone(zone):%d %H:%M}", f"{off.astimezone(zone):%d %H:%M}") for on, off in spans]


@pytest.mark.parametrize(
    ("place", "night", "spans"),
    [  # almanac times of sunset and sunrise
        ("Helsinki", "2026-06-21", [("21 22:50", "22 03:54")]),
        ("Helsinki", "2026-12-21", [("21 15:13", "22 09:24")]),
        ("Harbin", "2026-12-21", [("21 15:52", "22 07:12")]),
        ("Ürümqi", "2026-06-21", [("21 21:55", "22 06:28")]),
        ("Singapore", "2026-06-21", [("21 19:13", "22 07:01")]),
        ("Apia", "2026-06-21", [("21 18:08", "22 06:50")]),
        ("Tromsø", "2026-05-16", [("17 00:03", "17 01:17")]),  # it sets after midnight: the night of the 16th still
        ("Tromsø", "2026-06-21", []),
        ("Tromsø", "2026-12-21", [("21 12:00", "22 12:00")]),
        ("Tromsø", "2026-11-26", [("26 12:05", "27 11:21"), ("27 11:42", "27 12:00")]),  # the sun's last minutes
    ],
)
def test_lamps_burn_from_sunset_to_sunrise_anywhere(place: str, night: str, spans: list[tuple[str, str]]) -> None:
    assert times(place, night) == spans


def test_offsets_move_sunset_and_sunrise_but_not_the_polar_night() -> None:
    assert times("Helsinki", "2026-06-21", 15, -10) == [("21 23:05", "22 04:04")]
    assert times("Helsinki", "2026-06-21", 180, 180) == []
    assert times("Tromsø", "2026-12-21", 15, 15) == [("21 12:00", "22 12:00")]


@pytest.mark.parametrize("name", ["Helsinki", "Harbin", "Ürümqi", "Singapore"])
def test_a_year_of_nights_agrees_with_the_librarys_sunset_and_sunrise(name: str) -> None:
    longitude, latitude, zone = PLACES[name]
    observer, there = Observer(latitude, longitude), ZoneInfo(zone)
    for night in (date(2026, 1, 1) + number * 7 * DAY for number in range(52)):
        ((on, off),) = planned(name, night.isoformat()).spans
        assert abs(on - sunset(observer, night, tzinfo=there)) < timedelta(minutes=2)
        assert abs(off - sunrise(observer, night + DAY, tzinfo=there)) < timedelta(minutes=2)


def test_a_night_has_23_or_25_hours_where_the_clock_changes() -> None:
    spring, autumn = planned("Helsinki", "2026-03-28"), planned("Helsinki", "2026-10-24")
    assert [each.window[1] - each.window[0] for each in (spring, autumn)] == [timedelta(hours=23), timedelta(hours=25)]
    assert spring.planned_s == 11 * 3600 + 60  # 18:54 to 06:55 by the clock
    fixed = {"on_at": "20:00", "off_at": "05:00"}
    assert planned("Helsinki", "2026-03-28", hours=fixed).planned_s == 8 * 3600
    assert planned("Helsinki", "2026-10-24", hours=fixed).planned_s == 10 * 3600
    skipped = {"on_at": "20:00", "off_at": "03:30"}  # the clock goes from 03:00 to 04:00
    assert times("Helsinki", "2026-03-28", hours=skipped) == [("28 20:00", "29 04:30")]


def test_part_night_lighting_goes_off_at_midnight_or_pauses() -> None:
    assert times("Helsinki", "2026-12-21", hours={"off_at": "00:00"}) == [("21 15:13", "22 00:00")]
    pause = {"pause_from": "00:30", "pause_until": "05:00"}
    assert times("Helsinki", "2026-12-21", hours=pause) == [("21 15:13", "22 00:30"), ("22 05:00", "22 09:24")]
    assert times("Tromsø", "2026-12-21", hours={"off_at": "00:00"}) == [
        ("21 12:00", "22 00:00"),
        ("22 11:42", "22 12:00"),
    ]
    assert times("Tromsø", "2026-05-17", hours={"off_at": "00:00"}) == []  # the sun sets after that


def test_a_season_may_wrap_round_the_year_and_gives_back_what_it_does_not_name() -> None:
    winter = {"name": "winter", "from": "11-01", "to": "02-28", "hours": {"off_at": "07:00", "on_at": None}}
    schedule = {"hours": {"on_at": "20:00"}, "seasons": [winter]}
    assert times("Helsinki", "2026-12-21", **schedule) == [("21 15:13", "22 07:00")]
    assert times("Helsinki", "2027-02-28", **schedule)[0][1] == "01 07:00"
    assert times("Helsinki", "2026-10-31", **schedule)[0][0] == "31 20:00"


def test_the_last_of_february_is_the_29th_where_there_is_one_unless_a_season_begins_then() -> None:
    winter = {"name": "winter", "from": "11-01", "to": "02-28", "hours": {"off_at": "07:00"}}
    spring = {"name": "spring", "from": "03-01", "to": "05-31", "hours": {"off_at": "05:00"}}
    leap = {"name": "leap", "from": "02-29", "to": "03-31", "hours": {"off_at": "04:00"}}
    assert times("Helsinki", "2028-02-29", seasons=[winter, spring])[0][1] == "01 07:00"
    assert times("Helsinki", "2028-02-29", seasons=[winter, leap])[0][1] == "01 04:00"
    assert times("Helsinki", "2028-03-01", seasons=[winter, spring])[0][1] == "02 05:00"


WINTER = {"name": "winter", "from": "11-01", "to": "02-28"}
DAY_OFF = {"reason": "x", "from": "2026-12-24", "to": "2026-12-26"}


@pytest.mark.parametrize(
    ("schedule", "level"),
    [
        ({"hours": {"pause_from": "05:00", "pause_until": "01:00"}}, "hours"),
        ({"hours": {"pause_from": "01:00", "pause_until": "01:00"}}, "hours"),
        ({"hours": {"pause_from": "01:00"}}, "hours"),
        ({"hours": {"on_at": "20:00", "off_at": "20:00"}}, "hours"),
        ({"hours": {"on_at": "06:00", "off_at": "18:00"}}, "hours"),
        ({"hours": {"on_at": "20:00"}, "seasons": [WINTER | {"hours": {"off_at": "19:00"}}]}, "seasons"),
        ({"hours": {"on_at": "20:00"}, "exceptions": [DAY_OFF | {"hours": {"off_at": "19:00"}}]}, "exceptions"),
        (
            {"seasons": [WINTER | {"from": "12-25", "to": "12-25", "hours": {"off_at": "20:00"}}],
             "exceptions": [DAY_OFF | {"hours": {"on_at": "21:00"}}]},
            "exceptions",
        ),
        (
            {"seasons": [WINTER | {"hours": {"pause_from": "01:00", "pause_until": "05:00"}}],
             "exceptions": [DAY_OFF | {"hours": {"pause_until": "00:30"}}]},
            "exceptions",
        ),
    ],
)  # fmt: skip
def test_hours_that_end_before_they_begin_are_refused(schedule: dict[str, Any], level: str) -> None:
    with pytest.raises(WrongSchedule) as refused:
        LightingSchedule(code="x", **schedule).must_be_kept(the_catalogue())
    assert refused.value.field == level


@pytest.mark.parametrize(
    "hours", [{"off_at": "12:00"}, {"on_at": "11:00"}, {"pause_from": "12:00", "pause_until": "11:59"}]
)
def test_hours_by_which_no_night_is_lit_are_refused(hours: dict[str, Any]) -> None:
    with pytest.raises(WrongSchedule) as refused:
        LightingSchedule(code="x", hours=hours).must_be_kept(the_catalogue())
    assert refused.value.field == "hours"


@pytest.mark.parametrize(
    "hours",
    [
        {"pause_from": "23:30", "pause_until": "05:00"},
        {"on_at": "20:00", "off_at": "00:00", "pause_from": "22:00", "pause_until": "23:00"},
        {"on_at": "20:00", "off_at": None},
        {"burns": "all_night", "on_at": "20:00", "off_at": "20:00"},
    ],
)
def test_hours_over_midnight_and_those_that_do_not_count_are_taken(hours: dict[str, Any]) -> None:
    LightingSchedule(code="x", hours=hours).must_be_kept(the_catalogue())


def test_an_exception_comes_before_a_season_and_says_why() -> None:
    always_off = {"name": "always", "from": "01-01", "to": "12-31", "hours": {"burns": "off"}}
    festival = {"reason": "Spring Festival", "from": "2026-02-16", "to": "2026-02-18", "hours": {"burns": "all_night"}}
    schedule: dict[str, Any] = {"hours": {"off_at": "22:00"}, "seasons": [always_off], "exceptions": [festival]}
    assert times("Harbin", "2026-02-15", **schedule) == []
    assert times("Harbin", "2026-02-16", 15, 15, **schedule) == [("16 17:01", "17 06:34")]
    reasons = planned("Harbin", "2026-02-18", **schedule).reasons
    assert reasons == (
        "schedule city", "season always", "exception: Spring Festival", "sunset 17:04, sunrise 06:31",
    )  # fmt: skip


def test_a_lamp_follows_the_schedule_that_it_names_else_the_first_that_fits_else_the_citys() -> None:
    schedules = [
        LightingSchedule(code="city"),
        LightingSchedule(code="landscape", kinds=["landscape_light"]),
        LightingSchedule(code="harbour", districts=["southeast"], kinds=["landscape_light"]),
        LightingSchedule(code="bridge", kinds=["nothing"]),
    ]

    def followed(kind: str, district: str | None, **attributes: str) -> str:
        return schedule_of(schedules, kind=kind, district=district, attributes=attributes)

    assert followed("street_light", "southeast") == "city"
    assert followed("landscape_light", "southeast") == "harbour"
    assert followed("landscape_light", None) == "landscape"
    assert followed("street_light", None, lighting_schedule="bridge") == "bridge"
    assert followed("street_light", None, lighting_schedule="no such") == "city"


HOUR = st.one_of(st.none(), st.times().map(lambda at: f"{at:%H:%M}"))
HOURS = st.fixed_dictionaries(
    {
        "burns": st.sampled_from(["by_rule", "by_rule", "all_night", "off"]),
        "on_after_sunset_min": st.integers(-180, 180),
        "off_before_sunrise_min": st.integers(-180, 180),
        "on_at": HOUR,
        "off_at": HOUR,
        "pause_from": HOUR,
        "pause_until": HOUR,
    }
)


@settings(max_examples=60)
@given(HOURS, st.sampled_from(sorted(PLACES)), st.dates(date(2024, 1, 1), date(2030, 1, 1)))
def test_any_plan_rises_within_its_night(hours: dict[str, Any], place: str, night: date) -> None:
    made = planned(place, night.isoformat(), hours=hours)
    edges: list[datetime] = [each for span in made.spans for each in span]
    assert edges == sorted(set(edges))
    assert not edges or made.window[0] <= edges[0] < edges[-1] <= made.window[1]
    assert all(each.second == each.microsecond == 0 for each in edges)
