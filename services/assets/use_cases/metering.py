"""Reckoning lamp-nights: how much of the planned time each lamp burnt, and the sums over lamps.

All of it is set-based and starts from the states alone, so that the order in which they came never matters. One
transaction at a time does this; replicas take turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    String,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import IN_SERVICE
from services.assets.domain.lamp_states import LampNight, Misbehaviour, misbehaviours
from services.assets.domain.lighting import CITY, DAY, LightingSchedule, city_place
from services.assets.domain.metered import DIMENSIONS
from services.assets.domain.standings import View
from services.assets.queries.lamps import BY_NOON, lamps_of, nights_seen
from services.assets.tables import (
    catalogue_editions,
    facilities,
    lamp_night_sums,
    lamp_nights,
    lamp_nights_due,
    lamp_nights_work,
    lamp_states,
    lamps,
    lighting_plans,
)
from services.assets.use_cases.lighting import all_schedules, keep_plans, present_night
from services.assets.use_cases.turns import Job, has_turn
from shared import clock, outbox
from shared.events.assets import LampMisbehaved

AT_ONCE = {"postgresql": 20_000, "sqlite": 5_000}  # lamp-nights of one transaction: SQLite has one writer
COUNTED = tuple(each.name for each in lamp_night_sums.c if each.name != "id")
NIGHT = tuple(LampNight._fields)


def reckon_nights(session: Session) -> int:
    """Reckon the lamp-nights that are due, tell of lamps that misbehave, and sum the nights up. Returns how many.

    Run every so often; each run takes up to AT_ONCE, see ``full``.
    """
    if not has_turn(session, Job.NIGHTS):
        return 0
    postgresql = session.get_bind().dialect.name == "postgresql"
    nights = _take_due(session, postgresql)
    reckoned = _reckon(session, nights) if nights else []
    session.execute(delete(lamp_nights_work))
    _tell(session, reckoned)
    _close(session)
    sum_up(session, {*nights, *_unsummed(session)})
    return len(reckoned)


def full(session: Session, reckoned: int) -> bool:
    """Whether a run took all that one may, so that there may be more."""
    return reckoned >= _at_once(session)


def _at_once(session: Session) -> int:
    return AT_ONCE[session.get_bind().dialect.name]


def _take_due(session: Session, postgresql: bool) -> Sequence[date]:
    """Move what this run does, all that is due of each lamp-night; what comes in meanwhile waits for the next one."""
    due, work = (table.c["facility_id", "night"] for table in (lamp_nights_due, lamp_nights_work))
    some = select(*due).distinct().limit(_at_once(session))
    moved: Any = session.execute(insert(lamp_nights_work).from_select(["facility_id", "night"], some))
    if not moved.rowcount:
        return []
    if postgresql:  # else it plans for one row, and compares each state with each lamp-night
        session.execute(text(f"ANALYZE {lamp_nights_work.name}"))
    session.execute(delete(lamp_nights_due).where(tuple_(*due).in_(select(*work))))
    return session.scalars(select(lamp_nights_work.c.night).distinct()).all()


def _reckon(session: Session, nights: Collection[date]) -> Sequence[Row[Any]]:
    schedules = all_schedules(session)
    keep_plans(session, schedules, nights)
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    names = [column.name for column in lamp_nights.c]
    into = dialect.insert(lamp_nights).from_select(names, _reckoned(_due(schedules)))
    changed = {name: into.excluded[name] for name in ("schedule", *NIGHT)}
    over = lamp_nights.c.night < present_night()
    for name in BY_NOON:
        was = lamp_nights.c[f"{name}_by_noon"]
        changed[was.name] = case((over, func.coalesce(was, lamp_nights.c[name])))
    upsert = into.on_conflict_do_update(index_elements=["night", "facility_id"], set_=changed)
    return session.execute(upsert.returning(*lamp_nights.c)).all()


def _due(schedules: Sequence[LightingSchedule], some: FromClause = lamp_nights_work) -> FromClause:
    """The lamp-nights to reckon, each with its schedule: on a night that is over the one that it had."""
    work = some.c
    same = (lamp_nights.c.facility_id == work.facility_id) & (lamp_nights.c.night == work.night)
    had = case((work.night < present_night(), lamp_nights.c.schedule))
    return (
        select(work.facility_id, work.night, func.coalesce(had, _schedule_of(schedules)).label("schedule"))
        .join(facilities, facilities.c.id == work.facility_id)
        .outerjoin(lamp_nights, same)
        .cte("work")
    )


def _schedule_of(schedules: Sequence[LightingSchedule]) -> ColumnElement[str]:
    """The code of the schedule that a lamp follows: named by the lamp, else the first that fits, else the city's."""
    named = facilities.c.attributes["lighting_schedule"].as_string()
    whens = [(named == each.code, literal(each.code)) for each in schedules]
    whens += [(_fits(each), literal(each.code)) for each in schedules if each.code != CITY]
    return case(*whens, else_=literal(CITY, String))


def _fits(schedule: LightingSchedule) -> ColumnElement[bool]:
    kinds = facilities.c.kind.in_(schedule.kinds) if schedule.kinds else true()
    districts = facilities.c.district.in_(schedule.districts) if schedule.districts else true()
    return and_(kinds, districts)


def _reckoned(work: FromClause) -> Select[Any]:
    """Rows of ``lamp_nights`` for the work, from plans and states."""
    plans, burnt = lighting_plans.c, _burnt(work, _held(work))
    planned = (
        select(plans.night, plans.schedule, func.sum(plans.off_s - plans.on_s).label("planned_s"))
        .where(plans.purpose == "planned")
        .group_by(plans.night, plans.schedule)
        .cte("planned")
    )
    return (
        select(
            work.c.night,
            work.c.facility_id,
            work.c.schedule,
            *(
                func.coalesce(each, 0).label(name)
                for name, each in zip(
                    ("planned_s", "known_s", "lit_s", "dark_s", "day_burning_s"),
                    (planned.c.planned_s, *burnt.c["known_s", "lit_s", "dark_s", "day_s"]),
                    strict=True,
                )
            ),
            literal("", String).label("told"),
            *(case((work.c.night < present_night(), 0)).label(f"{name}_by_noon") for name in BY_NOON),
        )
        .outerjoin(planned, (planned.c.night == work.c.night) & (planned.c.schedule == work.c.schedule))
        .outerjoin(burnt, (burnt.c.night == work.c.night) & (burnt.c.facility_id == work.c.facility_id))
        .where(true())  # SQLite would else take ON CONFLICT for the condition of a join
    )


def _held(work: FromClause) -> FromClause:
    """From when to when each state holds: until the next one, and no longer than the catalogue says."""
    states, window = lamp_states.c, lighting_plans.alias("window_of")
    holds_s = int(the_catalogue().rules.lamp_state_holds_min * 60)
    last = states.at_s + holds_s
    following = func.lead(states.at_s).over(partition_by=[work.c.night, work.c.facility_id], order_by=states.at_s)
    until = case((following < last, following), else_=last)
    return (
        select(*work.c, states.lit, states.at_s, until.label("until_s"), (following <= last).label("borne_out"))
        .join(window, and_(window.c.night == work.c.night, window.c.schedule == work.c.schedule))
        .join(
            lamp_states,
            and_(
                states.facility_id == work.c.facility_id,
                states.at_s > window.c.on_s - holds_s,
                states.at_s < window.c.off_s + holds_s,
            ),
        )
        .where(window.c.purpose == "window")
        .cte("held")
    )


def _burnt(work: FromClause, held: FromClause) -> FromClause:
    """Per lamp-night the known and the lit seconds of the plan, and the lit ones by day."""
    plans = lighting_plans.c
    begin = case((held.c.at_s > plans.on_s, held.c.at_s), else_=plans.on_s)
    end = case((held.c.until_s < plans.off_s, held.c.until_s), else_=plans.off_s)

    def over(condition: ColumnElement[bool], sign: ColumnElement[int] | int = 1) -> ColumnElement[int]:
        return func.sum(case((condition, (end - begin) * sign), else_=0))

    in_plan, by_day = plans.purpose == "planned", case((plans.purpose == "window", 1), else_=-1)
    return (
        select(
            held.c.night,
            held.c.facility_id,
            over(in_plan).label("known_s"),
            over(and_(in_plan, held.c.lit)).label("lit_s"),
            over(and_(in_plan, not_(held.c.lit), held.c.borne_out)).label("dark_s"),
            over(and_(plans.purpose != "planned", held.c.lit), by_day).label("day_s"),
        )
        .join(lighting_plans, and_(plans.night == held.c.night, plans.schedule == held.c.schedule))
        .where(held.c.at_s < plans.off_s, held.c.until_s > plans.on_s)
        .group_by(held.c.night, held.c.facility_id)
        .cte("burnt")
    )


# --- telling of lamps that misbehave


def _tell(session: Session, reckoned: Iterable[Row[Any]]) -> None:
    """Tell of each lamp in service that misbehaves on this night or the last, once a night and misbehaviour."""
    recent, rules = present_night() - DAY, the_catalogue().rules
    fresh = [
        (what, row)
        for row in reckoned
        if row.night >= recent
        for what in misbehaviours(LampNight(*(getattr(row, name) for name in NIGHT)), rules)
        if what not in row.told.split()
    ]
    standing = _standing(session, {row.facility_id for _, row in fresh})
    new = [(what, row) for what, row in fresh if row.facility_id in standing]
    for what, row in new:
        outbox.record(session, _event(what, row.night, standing[row.facility_id]))
    _note_told(session, [(what, row.night, row.facility_id) for what, row in new])


def _standing(session: Session, ids: Collection[int]) -> dict[int, Row[Any]]:
    wanted = (
        select(*facilities.c["id", "code", "longitude", "latitude"], lamps.c.at_s)
        .join(lamps, lamps.c.facility_id == facilities.c.id)
        .where(facilities.c.id.in_(ids), facilities.c.condition.in_(IN_SERVICE))
    )
    found: Iterable[Row[Any]] = session.execute(wanted) if ids else ()
    return {row.id: row for row in found}


def _event(what: Misbehaviour, night: date, lamp: Row[Any]) -> LampMisbehaved:
    return LampMisbehaved(
        revision=1,
        happened_at=datetime.fromtimestamp(lamp.at_s, UTC),
        recorded_at=clock.now(),
        report_id=_report_id(lamp.code, night, what),
        category=what,
        facility_code=lamp.code,
        night=night.isoformat(),
        longitude=lamp.longitude,
        latitude=lamp.latitude,
    )


def _report_id(code: str, night: date, what: Misbehaviour) -> UUID:
    """The same for ever for a lamp, a night and what was wrong."""
    return uuid5(NAMESPACE_URL, f"waywarden:lamp-night:{code}:{night}:{what}")


def _note_told(session: Session, told: Sequence[tuple[Misbehaviour, date, int]]) -> None:
    groups: dict[tuple[Misbehaviour, date], list[int]] = {}
    for what, night, facility in told:
        groups.setdefault((what, night), []).append(facility)
    for (what, night), ids in groups.items():
        these = (lamp_nights.c.night == night) & lamp_nights.c.facility_id.in_(ids)
        session.execute(update(lamp_nights).where(these).values(told=lamp_nights.c.told + f" {what}"))


# --- sums over lamps


def _unsummed(session: Session) -> set[date]:
    """The present night, as long as it has no sums: its lamps count as unknown from the beginning."""
    return {present_night()} - {_newest_summed(session)}


def _newest_summed(session: Session) -> date | None:
    newest: date | None = session.scalar(select(func.max(lamp_night_sums.c.night)).where(not_(lamp_night_sums.c.late)))
    return newest


def _close(session: Session) -> None:
    """Sum the last night once more when it is over: lamps count as they stood at its end."""
    night = _newest_summed(session)
    if night is not None and night < present_night():
        _sum(session, night, late=False)


def sum_up(session: Session, nights: Iterable[date]) -> None:
    """Sum these nights; what was known of one by its end stays beside what is learned later."""
    for night in sorted(nights):
        _sum(session, night, late=night < present_night())


def _sum(session: Session, night: date, *, late: bool) -> None:
    former = (lamp_night_sums.c.night == night) & (lamp_night_sums.c.late == late)
    session.execute(delete(lamp_night_sums).where(former))
    session.execute(insert(lamp_night_sums).from_select(COUNTED, _summed(night, late)))


def _summed(night: date, late: bool) -> Select[Any]:
    """The sums of a night over the lamps in service, those without data among them."""
    nights, lamp = nights_seen(View.HAPPENED if late else View.KNOWN), lamps_of(night)
    of = nights.c
    kinds = [slug for slug, kind in the_catalogue().kinds.items() if kind.lamp]
    keys = [lamp.kind, *(func.coalesce(lamp[name], "").label(name) for name in DIMENSIONS)]
    dark = of.dark_s >= int(the_catalogue().rules.dark_after_min * 60)
    counts = [func.sum(case((condition, 1), else_=0)) for condition in (of.known_s > 0, dark, of.day_burning_s > 0)]
    known = of.known_s > 0
    seconds = [func.sum(case((known, each), else_=0)) for each in (of.planned_s, of.known_s, of.lit_s)]
    return (
        select(literal(night).label("night"), literal(late).label("late"), *keys, func.count(), *counts, *seconds)
        .outerjoin(nights, (of.facility_id == lamp.id) & (of.night == night))
        .where(lamp.kind.in_(kinds), lamp.condition.in_(IN_SERVICE))
        .group_by(*keys)
    )


# --- proving


def reckoned_otherwise(session: Session, ids: Collection[int]) -> Sequence[tuple[int, date]]:
    """Lamp-nights that are over, by rules and states that are still there, and that come out otherwise."""
    nights, due = lamp_nights.c, lamp_nights_due.c
    waits = exists().where(due.facility_id == nights.facility_id, due.night == nights.night)
    over = nights.night.between(_first_provable(session), present_night() - DAY)
    some = select(nights.facility_id, nights.night).where(nights.facility_id.in_(ids), over, not_(waits))
    anew = _reckoned(_due(all_schedules(session), some.subquery("some"))).subquery("anew")
    same = (nights.facility_id == anew.c.facility_id) & (nights.night == anew.c.night)
    differs = or_(*(nights[name] != anew.c[name] for name in NIGHT))
    rows = session.execute(select(nights.facility_id, nights.night).join_from(lamp_nights, anew, same).where(differs))
    return [(row.facility_id, row.night) for row in rows]


def _first_provable(session: Session) -> date:
    place = city_place(the_catalogue())
    kept = place.night_of(clock.now() - timedelta(days=the_catalogue().rules.lamp_states_kept_days))
    edition = session.scalar(select(func.max(catalogue_editions.c.published_at)))
    return max(kept, place.night_of(edition)) + DAY if edition else kept + DAY


def summed_otherwise(session: Session, night: date) -> bool:
    """Whether more was learned of a night after its end, and its sums with that are not those of its lamps."""
    sums = lamp_night_sums
    stored = session.execute(select(*sums.c[COUNTED]).where(sums.c.night == night, sums.c.late)).all()
    if not stored:
        return False
    anew = session.execute(_summed(night, True))
    return Counter(map(tuple, stored)) != Counter(map(tuple, anew))
