"""What one can ask about lamps: schedules and their nights, newest states, nights, and the metered light-on rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Date, FromClause, Row, Select, exists, func, literal, not_, or_, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import IN_SERVICE
from services.assets.domain.lighting import CITY, DAY, LightingSchedule, Plan, UnknownSchedule, city_place, plan
from services.assets.domain.metered import NightSum, Which, metered_rates
from services.assets.domain.rates import By, Rate
from services.assets.domain.standings import View
from services.assets.queries.codes import get_facility
from services.assets.queries.past import as_of, must_have_begun
from services.assets.tables import facilities, lamp_night_sums, lamp_nights, lamps, lighting_schedules
from shared import clock
from shared.paging import Page, cut, page, position

BY_NOON = ("known_s", "lit_s", "dark_s", "day_burning_s")  # what later word may change
OF_LAMP = ("facility_code", "kind", "district")
SUMMED = tuple(lamp_night_sums.c[name] for name in NightSum._fields[2:])


def get_schedule(session: Session, code: str) -> LightingSchedule:
    """A lighting schedule by its code. Raises UnknownSchedule."""
    found = session.scalar(select(LightingSchedule).where(lighting_schedules.c.code == code))
    if found is None:
        raise UnknownSchedule(f"There is no lighting schedule {code!r}.")
    return found


def list_schedules(session: Session, *, limit: int, cursor: str | None = None) -> Page:
    """Lighting schedules by code."""
    query = select(*lighting_schedules.c)
    columns = [lighting_schedules.c.code]
    return page(session, query, columns, limit=limit, cursor=cursor, make=lambda row: LightingSchedule(**row._mapping))


def list_planned_nights(session: Session, code: str, *, first: date, last: date) -> Page:
    """What a schedule plans for each night, from the first to the last. Raises UnknownSchedule."""
    schedule, catalogue = get_schedule(session, code), the_catalogue()
    nights = [first + number * DAY for number in range((last - first).days + 1)]
    return Page([_as_shown(plan(schedule, night, catalogue), schedule) for night in nights])


def _as_shown(planned: Plan, schedule: LightingSchedule) -> dict[str, Any]:
    zone = schedule.place(the_catalogue()).zone
    return {
        "night": planned.night,
        "burning": [{"on_at": on.astimezone(zone), "off_at": off.astimezone(zone)} for on, off in planned.spans],
        "planned_min": planned.planned_s / 60,
        "reasons": planned.reasons,
    }


# --- lamps


def list_lamp_states(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    silent: bool | None = None,
    day_burning: bool | None = None,
    failure: str | None = None,
    **same: Any,
) -> Page:
    """The newest state of each lamp in service, by code. ``same``: kind, district, lit."""
    silence, burns = lamps.c.at_s < silent_before(), _burns_by_day()
    shown = (*facilities.c["code", "kind", "district"], *lamps.c, silence.label("silent"), burns.label("by_day"))
    query = _in_service(select(*shown))
    columns = {"kind": facilities.c.kind, "district": facilities.c.district, "lit": lamps.c.lit}
    wanted: list[tuple[Any, Any]] = [(column, same.get(name)) for name, column in columns.items()]
    wanted += [(silence, silent), (burns, day_burning)]
    query = query.where(*(what == asked for what, asked in wanted if asked is not None))
    if failure is not None:
        query = query.where(lamps.c.failure.is_not(None) if failure == "any" else lamps.c.failure == failure)
    return page(session, query, [facilities.c.code], limit=limit, cursor=cursor, make=_as_state)


def _in_service(query: Select[Any]) -> Select[Any]:
    told = query.select_from(facilities).join(lamps, lamps.c.facility_id == facilities.c.id)
    return told.where(facilities.c.condition.in_(IN_SERVICE))


def silent_before() -> int:
    """A lamp whose newest state is older than this second is silent: the state holds no longer."""
    return int(clock.now().timestamp() - the_catalogue().rules.lamp_state_holds_min * 60)


def _burns_by_day() -> Any:
    mine = (lamp_nights.c.facility_id == facilities.c.id) & (lamp_nights.c.night >= present_night() - DAY)
    return exists().where(mine, lamp_nights.c.day_burning_s > 0)


def _as_state(row: Row[Any]) -> dict[str, Any]:
    shown = dict(row._mapping)
    shown |= {"facility_code": row.code, "at": datetime.fromtimestamp(row.at_s, UTC), "day_burning": row.by_day}
    return shown


def list_lamp_nights(session: Session, code: str, *, limit: int, cursor: str | None = None) -> Page:
    """The nights of a lamp, the newest first. Raises UnknownFacility."""
    query = select(*lamp_nights.c).where(lamp_nights.c.facility_id == get_facility(session, code).id)
    return page(session, query, [lamp_nights.c.night], limit=limit, cursor=cursor, descending=True, make=_as_night)


def _as_night(row: Row[Any]) -> dict[str, Any]:
    return {
        "night": row.night,
        "schedule": row.schedule,
        "planned_min": row.planned_s / 60,
        "lit_min": row.lit_s / 60,
        "unknown_min": (row.planned_s - row.known_s) / 60,
        "day_burning_min": row.day_burning_s / 60,
    }


# --- the metered light-on rate


def lamps_of(night: date) -> Any:
    """The columns of the facilities, of a night that is over as they stood at its end: that never changes again."""
    end = city_place(the_catalogue()).window(night)[1]
    return as_of(end).c if end <= clock.now() else facilities.c


def present_night() -> date:
    """The night that it is now; until noon it is yesterday's."""
    return city_place(the_catalogue()).night_of(clock.now())


def latest_night(session: Session) -> date:
    """The newest night whose planned hours are over, by the city's schedule."""
    night = present_night()
    city = session.get(LightingSchedule, CITY) or LightingSchedule(code=CITY)
    spans = plan(city, night, the_catalogue()).spans
    return night if spans and spans[-1][1] <= clock.now() else night - DAY


def list_metered(
    session: Session,
    *,
    by: By,
    date: date | None,
    window_days: int = 1,
    only: Mapping[str, str | None],
    view: View = View.HAPPENED,
) -> list[Rate]:
    """The metered rate over ``window_days`` nights up to the one of ``date``, or up to the latest that is over.

    ``view``: with what was known of each night by noon, when the next one begins, or with all that is known now.
    """
    last = _last_night(session, date)
    sums = sums_of(session, by, last, window_days, only, view)
    return metered_rates(by, sums, the_catalogue(), last=last, window_days=window_days, only=only, view=view)


def _last_night(session: Session, asked: date | None) -> date:
    latest = latest_night(session)
    return min(asked or latest, latest)


def sums_of(
    session: Session,
    by: By,
    last: date,
    window_days: int,
    only: Mapping[str, str | None],
    view: View = View.HAPPENED,
) -> list[NightSum]:
    """The sums of these nights under each key and kind. ``only``: dimensions that must have a value."""
    columns = lamp_night_sums.c
    key, these = columns[by.value], columns.night.between(last - (window_days - 1) * DAY, last)
    changed = select(columns.night).where(these, columns.late).distinct()
    newest = or_(columns.late, columns.night.not_in(changed))
    rows = session.execute(
        select(key, columns.kind, *(func.sum(each) for each in SUMMED))
        .where(these, newest if view is View.HAPPENED else not_(columns.late))
        .where(*(columns[name] == value for name, value in only.items() if value is not None))
        .group_by(key, columns.kind)
        .order_by(key, columns.kind)
    )
    return [NightSum(key, kind, *map(int, sums)) for key, kind, *sums in rows]


def list_nights_behind(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    date: date | None = None,
    window_days: int = 1,
    which: str = Which.KNOWN,
    view: str = View.HAPPENED,
    **only: str | None,
) -> Page:
    """The lamp-nights behind a metered rate, the newest night first, then by code; lamps as they stood that night.

    ``view``: as for ``list_metered``. Raises DayBeforeRegistry.
    """
    by = (lamp_nights.c.night, facilities.c.code)
    last, after = _last_night(session, date), ""
    first = last - (window_days - 1) * DAY
    if cursor is not None:
        night, after = position(cursor, by)
        last = min(last, night)
    rows: list[Row[Any]] = []
    for each in _summed_nights(session, first, last, View(view)):
        if len(rows) <= limit:
            begin = after if each == last else ""
            rows += session.execute(
                _lamps_on(each, Which(which), only, begin, View(view)).limit(limit + 1 - len(rows))
            ).all()
    if date and not rows:
        must_have_begun(session, last, View.KNOWN, field="date", day_of=city_place(the_catalogue()).night_of)
    return cut(rows, by, limit, lambda row: _as_night(row) | {name: row._mapping[name] for name in OF_LAMP})


def _summed_nights(session: Session, first: date, last: date, view: View) -> Sequence[date]:
    """The nights that the rate knows, the newest first."""
    night, late = lamp_night_sums.c["night", "late"]
    known = [not_(late)] if view is View.KNOWN else []
    wanted = select(night).where(night.between(first, last), *known).distinct().order_by(night.desc())
    return session.scalars(wanted).all()


def nights_seen(view: View) -> FromClause:
    """``lamp_nights`` as they are known now, or as they were known by the noon after each."""
    columns = lamp_nights.c
    if view is View.HAPPENED:
        return lamp_nights
    by_noon = {name: func.coalesce(columns[f"{name}_by_noon"], columns[name]).label(name) for name in BY_NOON}
    return select(*(by_noon.get(each.name, each) for each in columns)).subquery("nights_by_noon")


def _lamps_on(night: date, which: Which, only: Mapping[str, str | None], after: str, view: View) -> Select[Any]:
    """The lamps in service of one night by code, after one of them, with what is known of their night."""
    nights, lamp = nights_seen(view), lamps_of(night)
    of = nights.c
    same = (lamp[name] == value if value else lamp[name].is_(None) for name, value in only.items() if value is not None)
    kinds = [slug for slug, kind in the_catalogue().kinds.items() if kind.lamp]
    known = func.coalesce(of.known_s, 0) > 0
    wanted = {Which.KNOWN: known, Which.LESS: known & (of.lit_s < of.known_s), Which.UNKNOWN: ~known}[which]
    seconds = (func.coalesce(of[name], 0).label(name) for name in ("planned_s", "lit_s", "known_s", "day_burning_s"))
    return (
        select(literal(night, Date).label("night"), func.coalesce(of.schedule, "").label("schedule"), *seconds)
        .add_columns(lamp.code, lamp.code.label("facility_code"), lamp.kind, lamp.district)
        .outerjoin(nights, (of.facility_id == lamp.id) & (of.night == night))
        .where(lamp.kind.in_(kinds), lamp.condition.in_(IN_SERVICE), lamp.code > after, wanted, *same)
        .order_by(lamp.code)
    )


def count_silent(session: Session) -> list[tuple[tuple[str, str], int]]:
    """How many lamps in service are silent, by kind and district."""
    keys = (facilities.c.kind, func.coalesce(facilities.c.district, ""))
    query = _in_service(select(*keys, func.count())).where(lamps.c.at_s < silent_before()).group_by(*keys)
    return [((kind, district), count) for kind, district, count in session.execute(query)]
