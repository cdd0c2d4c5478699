"""Facilities as they stood on a past day: as we knew at its end, or as it happened by all that is known now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    Select,
    and_,
    func,
    select,
    type_coerce,
    union,
    union_all,
)
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.rates import DayBeforeRegistry, DayToCome
from services.assets.domain.standings import Standing, View, replayed, standing_of
from services.assets.tables import defects, facilities, facility_history, looks, past_standings, registered_late
from shared import clock
from shared.db import as_json, listed

AT_ONCE = 500
DAYS = ("installed_on", "retired_on")


def past_day(day: date | None, field: str = "date") -> date | None:
    """None for the city's present day. Raises DayToCome."""
    today = the_catalogue().city.day_of(clock.now())
    if day is not None and day > today:
        raise DayToCome("That day has not come yet.", field=field)
    return day if day != today else None


def must_have_begun(
    session: Session, day: date, view: View, *, field: str, day_of: Callable[[datetime], date] | None = None
) -> None:
    """For when nothing was found of a past day. Raises DayBeforeRegistry if no facility was there yet, in this view.

    ``day_of``: the day that a moment belongs to; if left out, the city's.
    """
    first = first_moment(session, view)
    if first and day < (begun := (day_of or the_catalogue().city.day_of)(first)):
        how = "that was known" if view is View.KNOWN else "by all that is known now"
        raise DayBeforeRegistry(f"The first facility {how} is of {begun}.", field=field)


def first_moment(session: Session, view: View) -> datetime | None:
    """When the first facility was known, or was there by all that is known now; None while there is none.

    What is learned gets its number in the order in which it is: the first deed is the first registration.
    """
    deeds = facility_history.c
    known: datetime | None = session.scalar(select(deeds.recorded_at).order_by(deeds.id).limit(1))
    if known is None or view is View.KNOWN:
        return known
    late = session.scalar(select(deeds.happened_at).where(registered_late).order_by(deeds.happened_at).limit(1))
    return min(known, late or known)


def as_of(end: datetime) -> FromClause:
    """All facilities that we knew at a moment, as they then stood: a table with the columns of ``facilities``.

    What else a revision replaced (name, geometry, attributes) is as it is now; see ``registered_as_of``.
    """
    still = select(*facilities.c).where(still_stands(end))
    columns = (
        past_standings.c[each.name].label(each.name) if each.name in Standing._fields else each for each in facilities.c
    )
    then = select(*columns).join_from(facilities, past_standings).where(stood(end))
    return union_all(still, then).subquery("facilities_then")


def still_stands(end: datetime) -> ColumnElement[bool]:
    """Facilities that stand as they did at that moment."""
    return facilities.c.stands_since < end


def stood(end: datetime) -> ColumnElement[bool]:
    """Past standings that held at that moment."""
    return and_(past_standings.c.known_from < end, past_standings.c.known_to >= end)


def looks_as_of(end: datetime) -> FromClause:
    """The latest look at each lamp that counted at a moment, as we then knew: by facility_id."""
    oldest = end - timedelta(days=the_catalogue().rules.light_on_window_days)
    newest_first = (looks.c.looked_at.desc(), looks.c.source.desc())
    place = func.row_number().over(partition_by=looks.c.facility_id, order_by=newest_first).label("place")
    ranked = (
        select(*looks.c, place)
        .where(looks.c.within_lighting_hours, looks.c.looked_at >= oldest, looks.c.looked_at < end)
        .where(looks.c.recorded_at < end)
        .subquery()
    )
    return select(*ranked.c).where(ranked.c.place == 1).subquery("looks_then")


def seen_as_of(session: Session, end: datetime, view: View) -> FromClause:
    """All facilities as they stood at a moment in a view of it, with the looks that then counted."""
    seen, then = looks_as_of(end), as_of(end)
    if view is View.HAPPENED:
        then = as_happened(session, end, dict(standings_happened(session, late_facts(session, end), end)))
    looked = {"last_look_at": "looked_at", "last_look_source": "source", "last_look_lit": "lit"}
    columns = (seen.c[looked[each.name]].label(each.name) if each.name in looked else each for each in then.c)
    return select(*columns).outerjoin_from(then, seen, seen.c.facility_id == then.c.id).subquery("facilities_seen")


def as_happened(session: Session, end: datetime, happened: Mapping[int, Standing]) -> FromClause:
    """``as_of``, but for what was learned late: that stands as it ``happened``, by id, or was not there."""
    known = as_of(end)
    others = select(*known.c).where(known.c.id.not_in(_late(end)))
    late = _as_rows(session, [{"id": id, **each._asdict()} for id, each in happened.items()]).subquery()
    columns = (late.c[each.name] if each.name in Standing._fields else each for each in facilities.c)
    stood_so = select(*columns).join_from(facilities, late, late.c.id == facilities.c.id)
    return union_all(others, stood_so).subquery("facilities_as_happened")


def _as_rows(session: Session, rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """Standings by id as rows of a query, in one JSON parameter however many they are."""
    names, text = ("id", *Standing._fields), as_json(rows).decode()
    if session.get_bind().dialect.name == "postgresql":
        found: Select[Any] = listed(facilities, names, "happened").params(happened=text)
        return found
    each = func.json_each(text).table_valued("value")
    values = {name: func.json_extract(each.c.value, f"$.{name}") for name in names}
    return select(*(type_coerce(value, facilities.c[name].type).label(name) for name, value in values.items()))


def late_facts(session: Session, end: datetime) -> Sequence[int]:
    """Facilities of which something happened before that moment and was learned after it, or the other way round."""
    return session.scalars(_late(end)).all()


def _late(end: datetime) -> CompoundSelect[Any]:
    at, known = facility_history.c.happened_at, facility_history.c.recorded_at
    late = select(facility_history.c.facility_id).where(at != known, known >= end, at < end)
    early = select(facility_history.c.facility_id).where(at != known, known < end, at >= end)
    return union(late, early)


def standings_known(session: Session, ids: Sequence[int], end: datetime) -> Iterator[Standing]:
    """How these facilities stood by what we knew at that moment."""
    then = as_of(end)
    for some in _batches(ids):
        yield from map(standing_of, session.execute(select(*then.c).where(then.c.id.in_(some))))


def standings_happened(session: Session, ids: Sequence[int], end: datetime) -> Iterator[tuple[int, Standing]]:
    """How these facilities stood at that moment, by all that we have learned since; those that were there, by id."""
    for some in _batches(ids):
        first, lives = _first_standings(session, some), _lives(session, some)
        taken = _taken(session, some)
        for each in some:
            if (standing := replayed(first[each], lives[each], end, taken)) is not None:
                yield each, standing


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _first_standings(session: Session, ids: Sequence[int]) -> dict[int, Standing]:
    """How each was registered: its earliest standing."""
    present = session.execute(select(*facilities.c).where(facilities.c.id.in_(ids)))
    found = {row.id: standing_of(row) for row in present}
    past = select(*past_standings.c).where(past_standings.c.facility_id.in_(ids)).order_by(past_standings.c.id.desc())
    return found | {row.facility_id: standing_of(row) for row in session.execute(past)}


def _lives(session: Session, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """In the order in which we learned of it."""
    lives: dict[int, list[Row[Any]]] = defaultdict(list)
    wanted = select(*facility_history.c).where(facility_history.c.facility_id.in_(ids)).order_by(facility_history.c.id)
    for row in session.execute(wanted):
        lives[row.facility_id].append(row)
    return lives


def _taken(session: Session, ids: Sequence[int]) -> dict[str, int]:
    of_these = (defects.c.facility_id.in_(ids), defects.c.breaks_function)
    rows = select(defects.c.finding_id, defects.c.taken_milli).where(*of_these)
    return {str(finding_id): taken for finding_id, taken in session.execute(rows)}


def registered_as_of(session: Session, ids: Iterable[int], end: datetime) -> dict[int, dict[str, Any]]:
    """By id, what of a facility was registered otherwise at that moment: name, geometry, attributes …"""
    rows = session.execute(
        select(past_standings.c.facility_id, past_standings.c.state)
        .where(past_standings.c.facility_id.in_(list(ids)), past_standings.c.known_to >= end)
        .order_by(past_standings.c.id.desc())
    )
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for facility_id, state in rows:
        found[facility_id] |= _as_registered(state or {})  # the earliest that was replaced since holds
    return found


def _as_registered(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: date.fromisoformat(value) if value and name in DAYS else value for name, value in state.items()}
