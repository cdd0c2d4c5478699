"""Finding facilities: by code, text, kind, attribute, area, unit, condition and dates, in a box, near a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from math import isfinite
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    RowMapping,
    Select,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Condition, Facility, LookedAt
from services.assets.domain.searching import sought
from services.assets.queries.past import past_day, registered_as_of, seen_as_of
from services.assets.queries.places import crossing, in_box, meets
from services.assets.tables import facilities
from shared import paging
from shared.errors import Invalid
from shared.paging import Page

WINDOW = 2_000  # facilities in the order of codes that are looked through before any index is asked
FREQUENT = 10  # so many in a window, and a page is in the next ones
FIRST_REACH_M = 50.0
MOST_NEAR = 100_000  # facilities about one place that are exported
BY_CODE = [facilities.c.code]
ORDERED = ("kind", "district")  # an index goes on by code within each of these
KEYED = ("kind", "condition")  # the index on quadkeys has them
INDEXED = {"q", "attributes"}  # by an index that is mostly better than a box

Wanted = Mapping[str, Any]
"""What is asked for, by name: ``code`` (how it begins), ``q``, ``kind`` and ``condition`` (several), ``attributes``,
``bbox``, ``installed_from``, ``installed_to``; any other name is a column and its value. None asks for nothing."""


def list_facilities(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    near: tuple[float, float, float] | None = None,
    as_of: date | None = None,
    **wanted: Any,
) -> Page:
    """Facilities by code; with ``near`` (longitude, latitude, metres) the nearest first, on one page.

    ``wanted``: see ``Wanted``. Retired ones are left out unless a condition asks for them. ``as_of``: as we knew
    them at the end of that day. Raises DayToCome, and Invalid for what is near on a past day.
    """
    asked = _given(wanted)
    if (day := past_day(as_of)) is not None:
        if near is not None:
            raise Invalid("Of a past day, ask for a box.", field="near")
        return _as_of(session, asked, day, limit, cursor)
    if near is not None:
        return Page([as_facility(row) for row in nearest(session, asked, near, limit)])
    after = paging.position(cursor, BY_CODE)[0] if cursor else ""
    rows = _in_window(session, asked, after, limit + 1, WINDOW)
    if FREQUENT <= len(rows) <= limit:
        rows = _in_window(session, asked, after, limit + 1, 10 * WINDOW)
    if len(rows) <= limit:
        rows = _by_index(session, asked, after, limit + 1)
    return paging.cut(rows, BY_CODE, limit, as_facility)


def _as_of(session: Session, asked: Wanted, day: date, limit: int, cursor: str | None) -> Page:
    end = the_catalogue().city.end_of(day)
    then = seen_as_of(end)
    after = paging.position(cursor, BY_CODE)[0] if cursor else ""
    wanted = select(*then.c).where(*conditions(session, then, asked), then.c.code > after)
    rows = session.execute(wanted.order_by(then.c.code).limit(limit + 1)).all()
    registered = registered_as_of(session, [row.id for row in rows], end)
    return paging.cut(rows, BY_CODE, limit, lambda row: Facility(**{**row._mapping, **registered.get(row.id, {})}))


def every_facility(
    session: Session, *, near: tuple[float, float, float] | None = None, **wanted: Any
) -> Iterator[RowMapping]:
    """All that fit, as rows by code, a few thousand in memory at a time; with ``near`` those within its metres."""
    asked = _given(wanted)
    if near is not None:
        yield from sorted((row._mapping for row in nearest(session, asked, near, MOST_NEAR)), key=itemgetter("code"))
        return
    query = select(*facilities.c).where(*conditions(session, facilities, asked)).order_by(*BY_CODE)
    yield from session.execute(query, execution_options={"yield_per": WINDOW}).mappings()


def are_over(session: Session, count: int, *, near: object = None, **wanted: Any) -> bool:
    """Whether more than so many fit; what is near a place never are."""
    fitting = select(literal(1)).where(*conditions(session, facilities, _given(wanted))).limit(count + 1).subquery()
    return near is None and (session.scalar(select(func.count()).select_from(fitting)) or 0) > count


def _given(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value not in (None, [], {})}


def as_facility(row: Row[Any]) -> Facility:
    return Facility(**row._mapping)


def _in_window(session: Session, asked: Wanted, after: str, count: int, window: int) -> Sequence[Row[Any]]:
    """What the next ``window`` facilities by code hold: what many have is found at once."""
    name, value = next(
        ((each, asked[each][0]) for each in ORDERED if len(asked.get(each, ())) == 1), ("", "")
    )  # fmt: skip
    narrowed = [facilities.c[name] == value] if name else []
    next_ones = (
        select(*facilities.c).where(*narrowed, facilities.c.code > after).order_by(*BY_CODE).limit(window).subquery()
    )
    query = select(*next_ones.c).where(*conditions(session, next_ones, asked)).order_by(next_ones.c.code).limit(count)
    return session.execute(query).all()


def _by_index(session: Session, asked: Wanted, after: str, count: int) -> Sequence[Row[Any]]:
    """All that fit are found first, by the index that fits best, then put in order: for what few have."""
    if "bbox" in asked and not asked.keys() & INDEXED:
        return _in_box_by_code(session, asked, after, count)
    fit = conditions(session, facilities, asked)
    found = _apart(select(facilities.c.id, facilities.c.code).where(*fit, facilities.c.code > after))
    first = select(found.c.id).order_by(found.c.code).limit(count)
    return session.execute(select(*facilities.c).where(facilities.c.id.in_(first)).order_by(*BY_CODE)).all()


def _in_box_by_code(session: Session, asked: Wanted, after: str, count: int) -> Sequence[Row[Any]]:
    """What may lie in the box is read from the index on quadkeys alone; rows are looked at in the order of codes."""
    box = asked["bbox"]
    fit = conditions(session, facilities, {name: value for name, value in asked.items() if name != "bbox"})
    may = select(facilities.c.id, facilities.c.code).where(facilities.c.code > after)
    narrowed = conditions(session, facilities, {name: asked[name] for name in KEYED if name in asked})
    ranges = [may.where(facilities.c.quadkey.between(*each), *narrowed) for each in geo.quadkey_ranges(box)]
    found = _apart(union(*ranges, may.where(facilities.c.id.in_(crossing(box)))))
    query = select(*facilities.c).join(found, found.c.id == facilities.c.id).where(*fit, *meets(box))
    return session.execute(query.order_by(found.c.code).limit(count)).all()


def _apart(query: Select[Any] | CompoundSelect[Any]) -> CTE:
    """Planned by itself: else the limit tempts PostgreSQL into walking through all facilities by code."""
    return query.cte("found").prefix_with("MATERIALIZED")


def conditions(session: Session, of: FromClause, asked: Wanted) -> list[ColumnElement[bool]]:
    """What a row of ``of`` (facilities, or a part of them) must fulfil."""
    plain = session.get_bind().dialect.name != "postgresql"
    by_name = {name: list(_condition(of, name, value, plain)) for name, value in asked.items() if name != "bbox"}
    by_name.setdefault("condition", [of.c.condition != Condition.RETIRED.value])
    found = [each for parts in by_name.values() for each in parts]
    if "bbox" not in asked:
        return found
    keyed = [each for name in KEYED for each in by_name.get(name, ())]
    return [*found, *(in_box(asked["bbox"], keyed) if of is facilities else meets(asked["bbox"], of))]


def _condition(of: FromClause, name: str, value: Any, plain: bool) -> Iterator[ColumnElement[bool]]:
    match name:
        case "code":
            yield of.c.code.startswith(value, autoescape=True)
        case "q":
            yield of.c.search.contains(sought(value), autoescape=True)
        case "attributes":
            has = _has_attribute if plain else _contains_attribute
            yield from (has(of, key, text) for key, text in value.items())
        case "installed_from":
            yield of.c.installed_on >= value
        case "installed_to":
            yield of.c.installed_on <= value
        case "last_look":
            yield of.c.last_look_lit.in_([each == LookedAt.LIT for each in value])
        case _ if value == "":
            yield of.c[name].is_(None)
        case _:
            yield of.c[name].in_(value) if isinstance(value, list) else of.c[name] == value


def _contains_attribute(of: FromClause, name: str, text: str) -> ColumnElement[bool]:
    """By the index on attributes: as text, or as the number or truth that the text may stand for."""
    ways = [cast({name: value}, JSONB) for value in _meanings(text)]
    return or_(*(of.c.attributes.op("@>", is_comparison=True)(each) for each in ways))


def _has_attribute(of: FromClause, name: str, text: str) -> ColumnElement[bool]:
    """SQLite's way."""
    each = func.json_each(of.c.attributes).table_valued("key", "value", "type")
    truths = [int(value) for value in _meanings(text) if isinstance(value, bool)]
    values = [value for value in _meanings(text) if not isinstance(value, bool)]
    fits = or_(
        and_(each.c.type.not_in(["true", "false"]), or_(*(each.c.value == value for value in values))),
        and_(each.c.type.in_(["true", "false"]), each.c.value.in_(truths)),
    )
    return exists(select(literal(1)).select_from(each).where(each.c.key == name, fits))


def _meanings(text: str) -> list[str | float | bool]:
    found: list[str | float | bool] = [text]
    if text in ("true", "false"):
        found.append(text == "true")
    with suppress(ValueError):
        found += [number] if isfinite(number := float(text)) else []
    return found


def nearest(session: Session, asked: Wanted, near: tuple[float, float, float], limit: int) -> list[Row[Any]]:
    """The nearest that fit, looked for in ever larger boxes until enough of them are nearer than the box's edge."""
    longitude, latitude, farthest_m = near
    reach_m = min(FIRST_REACH_M, farthest_m)
    while True:
        box = geo.box_around(longitude, latitude, reach_m)
        rows = session.execute(select(*facilities.c).where(*conditions(session, facilities, {**asked, "bbox": box})))
        reach = [(geo.metres_from(row.geometry, longitude, latitude), row.code, row) for row in rows]
        inside = sorted((each for each in reach if each[0] <= reach_m), key=lambda each: each[:2])
        if len(inside) >= limit or reach_m >= farthest_m:
            return [row for _, _, row in inside[:limit]]
        reach_m = min(2 * reach_m, farthest_m)
