"""How long a stage may take, and when that time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

CLOCK_SKEW = timedelta(minutes=10)
WARNING = 0.8  # share of the time after which the traffic light turns yellow (domain: green < 80 %)
OPENS, CLOSES = time(9), time(17)
SATURDAY = 5


class Clock(StrEnum):
    URGENT_HOUR = "urgent_hour"
    WORK_HOUR = "work_hour"
    WORK_DAY = "work_day"
    NATURAL_DAY = "natural_day"


HOURS = {Clock.URGENT_HOUR: 1, Clock.WORK_HOUR: 1, Clock.WORK_DAY: 8, Clock.NATURAL_DAY: 24}
RUNS_ALWAYS = (Clock.URGENT_HOUR, Clock.NATURAL_DAY)


class Light(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Limit:
    """So many hours or days of one clock; ``source`` names the rule that set it."""

    amount: float
    clock: Clock
    source: str


@dataclass(frozen=True)
class Term:
    """A limit that runs: when 80 % of it is used, and when all of it is."""

    limit: Limit
    warn_at: datetime
    due_at: datetime


def run(limit: Limit, start: datetime, zone: tzinfo) -> Term:
    """Let a limit run from ``start``; working hours are those of the city's time zone."""
    return Term(limit, used_up(limit, start, zone, WARNING), used_up(limit, start, zone, 1))


def used_up(limit: Limit, start: datetime, zone: tzinfo, share: float) -> datetime:
    """When ``share`` (0–1) of the limit is used, in UTC."""
    span = timedelta(hours=limit.amount * HOURS[limit.clock] * share)
    if limit.clock in RUNS_ALWAYS:
        return start + span
    return after_working(start.astimezone(zone), span).astimezone(UTC)


def after_working(start: datetime, span: timedelta) -> datetime:
    """When so much working time has passed: Monday to Friday, 9 to 17 o'clock local time, without public holidays."""
    now = start
    while True:
        opens, closes = (datetime.combine(now.date(), each, now.tzinfo) for each in (OPENS, CLOSES))
        now = max(now, opens)
        if now.weekday() < SATURDAY and now < closes:
            if span <= closes - now:
                return now + span
            span -= closes - now
        now = datetime.combine(now.date() + timedelta(days=1), OPENS, now.tzinfo)
