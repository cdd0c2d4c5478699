"""When lamps should burn: lighting schedules (路灯开关灯时间), reckoned for each night from the sun of a place.

A *night* is named by the date of its evening and reaches from noon to noon by the city's clock (23 or 25 hours where
that clock changes). A schedule says from which hours its lamps burn: sunset and sunrise with offsets, or times by the
clock, with a pause for part-night lighting (半夜灯). A season overrides the hours for a part of every year, an
exception for single nights. Planned times are whole minutes, as astronomical clocks switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from astral import Observer
from astral.sun import elevation, noon

from services.assets.domain.catalogue import Catalogue
from services.assets.domain.facilities import IN_SERVICE
from shared.errors import Conflict, Invalid, NotFound

HORIZON_DEG = -0.833  # centre of the sun at sunset: its own radius and the refraction of the air
DAY = timedelta(days=1)
NOON = time(12)
SECOND = timedelta(seconds=1)
LEAP_YEAR, DAYS_OF_A_YEAR = 2024, 366
LAST_OF_FEBRUARY, LEAP_DAY = "02-28", "02-29"  # a season to the one holds the other, unless one begins there
CITY = "city"  # the schedule of every lamp that has no other

Span = tuple[datetime, datetime]
Hours = Mapping[str, Any]


class Sky(NamedTuple):
    """When the sun is down. Where it does not set (or rise), the solar noon before (or after) stands for it."""

    sunset: datetime
    sunrise: datetime
    sets: bool
    rises: bool


class UnknownSchedule(NotFound):
    """There is no lighting schedule with this code."""

    slug = "unknown-lighting-schedule"
    zh = "没有此编码的照明时间表"


class ScheduleTaken(Conflict):
    """Another lighting schedule has this code already."""

    slug = "lighting-schedule-taken"
    zh = "照明时间表编码已被使用"


class WrongSchedule(Invalid):
    """These lighting hours cannot be kept."""

    slug = "wrong-lighting-schedule"
    zh = "照明时间表有误"


class NightIsOver(Invalid):
    """A night that is over keeps the plan that it had."""

    slug = "night-is-over"
    zh = "已过去的夜晚不能更改计划"


class Burns(StrEnum):
    """``by_rule``: from the times given; ``all_night``: sunset to sunrise without a pause; ``off``: not at all."""

    BY_RULE = "by_rule"
    ALL_NIGHT = "all_night"
    OFF = "off"


@dataclass(frozen=True)
class Place:
    longitude: float
    latitude: float
    timezone: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def at(self, day: date, hour: time) -> datetime:
        """A time by the clock of the place, in UTC; one that a change of clocks skips is taken an hour later."""
        return datetime.combine(day, hour, self.zone).astimezone(UTC)

    def window(self, night: date) -> Span:
        """From noon to noon."""
        return self.at(night, NOON), self.at(night + DAY, NOON)

    def night_of(self, at: datetime) -> date:
        """The night that a moment belongs to."""
        local = at.astimezone(self.zone)
        return local.date() if local.time() >= NOON else local.date() - DAY


def city_place(catalogue: Catalogue) -> Place:
    """Where the catalogue looks at the sun."""
    lighting = catalogue.lighting
    return Place(lighting.longitude, lighting.latitude, lighting.timezone)


@dataclass(eq=False, kw_only=True)
class LightingSchedule:
    """Lighting hours of some lamps.

    A lamp follows the schedule that its attribute ``lighting_schedule`` names, else the first one by code whose
    ``kinds`` and ``districts`` both hold it (an empty list holds all), else ``city``. ``hours`` may name
    ``burns``, ``on_after_sunset_min``, ``off_before_sunrise_min``, ``on_at``, ``off_at``, ``pause_from``,
    ``pause_until`` (HH:MM); what it leaves out comes from the catalogue's [lighting]. ``seasons``: {"name", "from",
    "to" (MM-DD, may wrap round the year), "hours"}; ``exceptions``: {"reason", "from", "to" (dates of evenings),
    "hours"}. The first that fits holds; an exception comes before a season.
    """

    code: str
    name: str = ""
    longitude: float | None = None
    latitude: float | None = None
    kinds: list[str] = field(default_factory=list)
    districts: list[str] = field(default_factory=list)
    hours: dict[str, Any] = field(default_factory=dict)
    seasons: list[dict[str, Any]] = field(default_factory=list)
    exceptions: list[dict[str, Any]] = field(default_factory=list)
    revision: int = 1

    @property
    def location(self) -> dict[str, float] | None:
        if self.longitude is None or self.latitude is None:
            return None
        return {"lon": self.longitude, "lat": self.latitude}

    def place(self, catalogue: Catalogue) -> Place:
        """Where its sun is looked at."""
        city = city_place(catalogue)
        return replace(city, longitude=self.location["lon"], latitude=self.location["lat"]) if self.location else city

    def on(self, night: date, catalogue: Catalogue) -> tuple[dict[str, Any], list[str]]:
        """The hours that hold on a night, and why."""
        usual = {
            "burns": Burns.BY_RULE,
            "on_after_sunset_min": catalogue.lighting.on_after_sunset_min,
            "off_before_sunrise_min": catalogue.lighting.off_before_sunrise_min,
        }
        hours, reasons = usual | self.hours, [f"schedule {self.code}"]
        if season := next((each for each in self.seasons if self._in_season(night, each)), None):
            hours, reasons = hours | season["hours"], [*reasons, f"season {season['name']}"]
        if exception := next((each for each in self.exceptions if _excepted(night, each)), None):
            hours, reasons = hours | exception["hours"], [*reasons, f"exception: {exception['reason']}"]
        return hours, reasons

    def _season(self, night: date) -> int | None:
        """Which of the seasons holds."""
        return next((number for number, each in enumerate(self.seasons) if self._in_season(night, each)), None)

    def _in_season(self, night: date, season: Mapping[str, Any]) -> bool:
        begin, end, today = str(season["from"]), str(season["to"]), night.strftime("%m-%d")
        if end == LAST_OF_FEBRUARY and all(each["from"] != LEAP_DAY for each in self.seasons):
            end = LEAP_DAY
        return begin <= today <= end if begin <= end else today >= begin or today <= end

    def must_be_kept(self, catalogue: Catalogue) -> None:
        """Whether hours can be kept as they come together from all levels. Raises WrongSchedule."""
        hours = [("hours", self.hours)]
        hours += [("seasons", self.hours | each["hours"]) for each in self.seasons]
        hours += [("exceptions", each) for each in self._excepted()]
        for level, together in hours:
            if wrong := _wrong(together):
                raise WrongSchedule(wrong, field=level)
        if self.hours.get("burns", Burns.BY_RULE) == Burns.BY_RULE and not self._burns_ever(catalogue):
            raise WrongSchedule("With these hours lamps burn on no night of a year.", field="hours")

    def _excepted(self) -> Iterator[dict[str, Any]]:
        """Those of each exception, together with each season that it meets; of a long one within its first year."""
        leap = (date(LEAP_YEAR, 1, 1) + n * DAY for n in range(DAYS_OF_A_YEAR))
        season_of = {(day.month, day.day): self._season(day) for day in leap}
        for exception in self.exceptions:
            first, last = (date.fromisoformat(exception[name]) for name in ("from", "to"))
            nights = (first + n * DAY for n in range(min((last - first).days, DAYS_OF_A_YEAR) + 1))
            for season in {season_of[each.month, each.day] for each in nights}:
                usual = self.hours if season is None else self.hours | self.seasons[season]["hours"]
                yield usual | exception["hours"]

    def _burns_ever(self, catalogue: Catalogue) -> bool:
        """On any of twelve usual nights: an ``off_at`` of 12:00 ends a night where it begins."""
        usual = replace(self, seasons=[], exceptions=[])
        return any(plan(usual, date(LEAP_YEAR, month, 15), catalogue).spans for month in range(1, 13))


def _wrong(hours: Hours) -> str | None:
    """What is wrong with times by the clock, in a night from noon to noon."""
    if hours.get("burns", Burns.BY_RULE) != Burns.BY_RULE:
        return None
    on, off, begin, end = (_since_noon(hours.get(each)) for each in ("on_at", "off_at", "pause_from", "pause_until"))
    if (begin is None) != (end is None):
        return "A pause has both pause_from and pause_until."
    for first, last, names in ((on, off, "on_at before off_at"), (begin, end, "pause_from before pause_until")):
        if first is not None and last is not None and first >= last:
            return f"A night reaches from noon to noon, and has {names}."
    return None


def _since_noon(clock: str | None) -> int | None:
    """In minutes."""
    if not clock:
        return None
    hour = time.fromisoformat(clock)
    return (hour.hour * 60 + hour.minute - 720) % 1440


def _excepted(night: date, exception: Mapping[str, Any]) -> bool:
    return bool(exception["from"] <= night.isoformat() <= exception["to"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When the lamps of a schedule should burn on one night (``spans``, rising), and why; ``dark``: the sun is down."""

    night: date
    window: Span
    spans: tuple[Span, ...]
    dark: tuple[Span, ...]
    reasons: tuple[str, ...]

    @property
    def planned_s(self) -> int:
        return sum(int((off - on).total_seconds()) for on, off in self.spans)

    def wants(self, at: datetime) -> bool:
        """Whether the lamps should burn at a moment of the night."""
        return any(on <= at < off for on, off in self.spans)

    def allowed(self, tolerance: timedelta) -> tuple[Span, ...]:
        """What is planned or dark, with a tolerance before and after: a lamp that burns outside of it burns by day."""
        return _merged(((on - tolerance, off + tolerance) for on, off in (*self.spans, *self.dark)), self.window)


class LampThen(NamedTuple):
    """What decides whether a lamp should burn, as it was at some moment; ``named``: the schedule that it names."""

    kind: str
    district: str | None
    condition: str
    named: str | None


class Judgement(NamedTuple):
    """Whether a lamp should have burnt at some moment; where not, ``reason`` says why."""

    planned: bool
    reason: str = ""


def judged(lamp: LampThen, at: datetime, schedules: Mapping[str, LightingSchedule], catalogue: Catalogue) -> Judgement:
    """Whether a lamp should burn, by the schedule of ``schedules`` (by code) that it follows."""
    if lamp.condition not in IN_SERVICE:
        return Judgement(False, f"not-in-service: the lamp is {lamp.condition.replace('_', ' ')}")
    named = {"lighting_schedule": lamp.named}
    code = schedule_of(schedules.values(), kind=lamp.kind, district=lamp.district, attributes=named)
    schedule = schedules[code]
    if plan(schedule, schedule.place(catalogue).night_of(at), catalogue).wants(at):
        return Judgement(True)
    return Judgement(False, f"not-planned: by the schedule {code} the lamp need not burn then")


def plan(schedule: LightingSchedule, night: date, catalogue: Catalogue) -> Plan:
    """The plan of a night.

    Near the polar circles the sun may set after midnight or rise after noon: so the nights before and after are
    looked at too, each by the hours that hold on it.
    """
    place = schedule.place(catalogue)
    nights = (night - DAY, night, night + DAY)
    spans = [_spans(schedule.on(each, catalogue)[0], each, place) for each in nights]
    _, reasons = schedule.on(night, catalogue)
    window = place.window(night)
    return Plan(
        night=night,
        window=window,
        spans=_merged(chain.from_iterable(spans), window),
        dark=_merged((sky[:2] for each in nights if (sky := sun_down(place, each))), window),
        reasons=(*reasons, _seen(sun_down(place, night), place)),
    )


def _seen(sky: Sky | None, place: Place) -> str:
    if sky is None:
        return "polar day: the sun does not set"
    sunset, sunrise = (f"{each.astimezone(place.zone):%H:%M}" for each in (sky.sunset, sky.sunrise))
    seen = [f"sunset {sunset}" if sky.sets else "", f"sunrise {sunrise}" if sky.rises else ""]
    return ", ".join(filter(None, seen)) or "polar night: the sun does not rise"


def _spans(hours: Hours, night: date, place: Place) -> list[Span]:
    """What the hours make of a night; not cut at noon yet."""
    sky = sun_down(place, night)
    if hours["burns"] == Burns.OFF:
        return []
    if hours["burns"] == Burns.ALL_NIGHT:
        return [(sky.sunset, sky.sunrise)] if sky else []
    begin = _by_clock(hours, "on_at", night, place) or _after_sunset(sky, hours["on_after_sunset_min"])
    end = _by_clock(hours, "off_at", night, place) or _before_sunrise(sky, hours["off_before_sunrise_min"])
    if begin is None or end is None:
        return []
    return list(_paused((_minute(begin), _minute(end)), hours, night, place))


def _after_sunset(sky: Sky | None, offset_min: float) -> datetime | None:
    return sky and sky.sunset + timedelta(minutes=offset_min if sky.sets else 0)


def _before_sunrise(sky: Sky | None, offset_min: float) -> datetime | None:
    return sky and sky.sunrise - timedelta(minutes=offset_min if sky.rises else 0)


def _by_clock(hours: Hours, name: str, night: date, place: Place) -> datetime | None:
    if not hours.get(name):
        return None
    hour = time.fromisoformat(hours[name])
    return place.at(night if hour >= NOON else night + DAY, hour)


def _paused(span: Span, hours: Hours, night: date, place: Place) -> Iterator[Span]:
    begin, end = (_by_clock(hours, name, night, place) for name in ("pause_from", "pause_until"))
    if begin is None or end is None or begin >= end:
        yield span
        return
    yield span[0], min(span[1], begin)
    yield max(span[0], end), span[1]


def _merged(spans: Iterable[Span], window: Span) -> tuple[Span, ...]:
    """The spans cut to the window, rising, those that touch put together, empty ones left out."""
    found: list[Span] = []
    for on, off in sorted((max(on, window[0]), min(off, window[1])) for on, off in spans):
        if on >= off:
            continue
        if found and on <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], off)
        else:
            found.append((on, off))
    return tuple(found)


@lru_cache(maxsize=4_096)
def sun_down(place: Place, night: date) -> Sky | None:
    """From sunset to sunrise, between the two solar noons around a night; None where the sun stays up.

    Found by halving on the sun's height: formulas for the time of sunset fail where the sun grazes the horizon.
    """
    down = _is_down(Observer(latitude=place.latitude, longitude=place.longitude))
    before, after = _solar_noon(place, night), _solar_noon(place, night + DAY)
    middle = before + (after - before) / 2
    if not down(middle):
        return None
    sets, rises = not down(before), not down(after)
    sunset = _crossing(before, middle, down) if sets else before
    sunrise = _crossing(after, middle, down) if rises else after
    return Sky(_minute(sunset), _minute(sunrise), sets, rises)


def _is_down(observer: Observer) -> Callable[[datetime], bool]:
    return lambda at: elevation(observer, at, with_refraction=False) < HORIZON_DEG


@lru_cache(maxsize=4_096)
def _solar_noon(place: Place, day: date) -> datetime:
    """The solar noon that is nearest to noon by the clock, to the minute."""
    observer, by_clock = Observer(latitude=place.latitude, longitude=place.longitude), place.at(day, NOON)
    near = (noon(observer, by_clock.date() + step * DAY, tzinfo=UTC) for step in (-1, 0, 1))
    return _minute(min(near, key=lambda at: abs(at - by_clock)))


def _crossing(up: datetime, down: datetime, is_down: Callable[[datetime], bool]) -> datetime:
    """When the sun crosses the horizon between a moment when it is up and one when it is down, to the second."""
    while abs(down - up) > SECOND:
        middle = up + (down - up) / 2
        up, down = (up, middle) if is_down(middle) else (middle, down)
    return down


def _minute(at: datetime) -> datetime:
    """The nearest whole minute."""
    return (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def schedule_of(
    schedules: Iterable[LightingSchedule], *, kind: str, district: str | None, attributes: Mapping[str, Any]
) -> str:
    """The code of the schedule that a lamp follows."""
    named, known = attributes.get("lighting_schedule"), {each.code for each in schedules}
    if named in known:
        return str(named)
    fitting = (each.code for each in schedules if _holds(each, kind, district))
    return min(fitting, default=CITY)


def _holds(schedule: LightingSchedule, kind: str, district: str | None) -> bool:
    if schedule.code == CITY:
        return False
    return (not schedule.kinds or kind in schedule.kinds) and (not schedule.districts or district in schedule.districts)
