"""Lighting schedules: adding and changing them, and keeping what they planned for a night."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level, UnknownDistrict
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import UnknownKind
from services.assets.domain.lighting import (
    CITY,
    LightingSchedule,
    NightIsOver,
    Plan,
    ScheduleTaken,
    Span,
    UnknownSchedule,
    city_place,
    plan,
)
from services.assets.tables import (
    areas,
    facilities,
    lamp_nights,
    lamp_nights_due,
    lighting_plans,
    lighting_schedules,
    past_lighting_schedules,
)
from shared import clock, errors
from shared.db import insert_new


def present_night() -> date:
    """The night that it is now; until noon it is yesterday's."""
    return city_place(the_catalogue()).night_of(clock.now())


def all_schedules(session: Session) -> list[LightingSchedule]:
    """The schedules by code, the city's among them."""
    found = list(session.scalars(select(LightingSchedule).order_by(lighting_schedules.c.code)))
    return found if any(each.code == CITY for each in found) else [*found, LightingSchedule(code=CITY)]


def add_schedule(session: Session, *, location: dict[str, float] | None = None, **described: Any) -> LightingSchedule:
    """Add a lighting schedule. Raises ScheduleTaken, NightIsOver, WrongSchedule, UnknownDistrict and UnknownKind."""
    schedule = LightingSchedule(**described, **_placed(location))
    schedule.must_be_kept(the_catalogue())
    _must_exist(session, schedule.districts, schedule.kinds)
    _only_to_come(schedule.exceptions)
    row = {column.key: getattr(schedule, column.key) for column in lighting_schedules.c}
    if not insert_new(session, lighting_schedules, [row], lighting_schedules.c.code):
        raise ScheduleTaken(f"There is a lighting schedule {schedule.code!r} already.", field="code")
    _keep_past(session, schedule.code, None)
    _plan_anew(session)
    return schedule


def change_schedule(session: Session, code: str, *, expected: int | None, **changes: Any) -> LightingSchedule:
    """Change a schedule, from the night on that it is now.

    Raises UnknownSchedule, Stale, NightIsOver, WrongSchedule, UnknownDistrict and UnknownKind.
    """
    schedule = session.scalar(
        select(LightingSchedule).where(lighting_schedules.c.code == code).with_for_update(key_share=True)
    )
    if schedule is None:
        raise UnknownSchedule(f"There is no lighting schedule {code!r}.")
    errors.expect(schedule.revision, expected)
    _only_to_come(each for each in changes.get("exceptions", ()) if each not in schedule.exceptions)
    _must_exist(session, _new(changes, schedule, "districts"), _new(changes, schedule, "kinds"))
    _keep_past(session, code, {name: getattr(schedule, name) for name in DESCRIBED})
    if "location" in changes:
        changes |= _placed(changes.pop("location"))
    for name, value in changes.items():
        setattr(schedule, name, value)
    if changes.keys() & {"hours", "seasons", "exceptions"}:
        schedule.must_be_kept(the_catalogue())
    schedule.revision += 1
    _plan_anew(session)
    return schedule


def _keep_past(session: Session, code: str, state: Mapping[str, Any] | None) -> None:
    """How it was until now: what was seen before is judged by that."""
    session.execute(insert(past_lighting_schedules).values(code=code, known_to=clock.now(), state=state))


def _new(changes: Mapping[str, Any], schedule: LightingSchedule, what: str) -> set[str]:
    return set(changes.get(what, ())) - set(getattr(schedule, what))


def _must_exist(session: Session, districts: Collection[str], kinds: Collection[str]) -> None:
    """Raises UnknownKind; and UnknownDistrict for one that neither is drawn nor has facilities, once any is drawn."""
    if strange := sorted(set(kinds) - the_catalogue().kinds.keys()):
        raise UnknownKind(f"There is no kind {strange[0]!r}.", field="kinds")
    is_drawn = select(areas.c.code).where(areas.c.level == Level.DISTRICT.value)
    if not districts or not (drawn := set(session.scalars(is_drawn))):
        return
    for code in sorted(set(districts) - drawn):
        if not session.scalar(select(exists().where(facilities.c.district == code))):
            raise UnknownDistrict(f"There is no district {code!r}.", field="districts")


def _placed(location: dict[str, float] | None) -> dict[str, Any]:
    return {"longitude": location["lon"], "latitude": location["lat"]} if location else dict.fromkeys(PLACE)


PLACE = ("longitude", "latitude")
DESCRIBED = tuple(column.key for column in lighting_schedules.c if column.key != "code")


def _only_to_come(exceptions: Iterable[dict[str, Any]]) -> None:
    now = present_night().isoformat()
    if past := [each for each in exceptions if each["to"] < now]:
        raise NightIsOver(f"The night of {past[0]['to']} is over.", field="exceptions")


def _plan_anew(session: Session) -> None:
    """Plans of nights that are not over are made anew, and what was reckoned by them too."""
    now = present_night()
    session.execute(delete(lighting_plans).where(lighting_plans.c.night >= now))
    again = select(lamp_nights.c.facility_id, lamp_nights.c.night).where(lamp_nights.c.night >= now)
    session.execute(insert(lamp_nights_due).from_select(["facility_id", "night"], again))


def keep_plans(session: Session, schedules: Collection[LightingSchedule], nights: Collection[date]) -> None:
    """Keep the plans of these nights, where they are not kept yet."""
    columns = lighting_plans.c
    wanted = select(columns.night, columns.schedule).distinct().where(columns.night.in_(nights))
    kept = {(night, code) for night, code in session.execute(wanted)}
    rows = [
        row
        for night in sorted(nights)
        for schedule in schedules
        if (night, schedule.code) not in kept
        for row in _rows(plan(schedule, night, the_catalogue()), schedule.code)
    ]
    insert_new(session, lighting_plans, rows)


def _rows(planned: Plan, code: str) -> Iterator[dict[str, Any]]:
    tolerance = timedelta(minutes=the_catalogue().rules.day_burning_tolerance_min)
    spans: dict[str, tuple[Span, ...]] = {
        "planned": planned.spans,
        "allowed": planned.allowed(tolerance),
        "window": (planned.window,),
    }
    for purpose, each in spans.items():
        for on, off in each:
            yield {
                "night": planned.night,
                "schedule": code,
                "purpose": purpose,
                "on_s": seconds(on),
                "off_s": seconds(off),
            }


def seconds(at: datetime) -> int:
    """Whole seconds since 1970, as the tables of lamps keep times."""
    return int(at.timestamp() // 1)
