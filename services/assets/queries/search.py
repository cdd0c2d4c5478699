"""Finding facilities: by code, text, kind, attribute, area, unit, condition and dates, in a box, near a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from math import isfinite, pi, sqrt
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    Select,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.attributes import known_as
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Condition, Facility, LookedAt
from services.assets.domain.searching import sought
from services.assets.domain.standings import View
from services.assets.domain.tiles import LEVELS, Tile, figure, text_of
from services.assets.queries.named_areas import naming_nothing
from services.assets.queries.past import must_have_begun, past_day, registered_as_of, seen_as_of
from services.assets.queries.places import anchored, crossing, in_box, meets
from services.assets.tables import attribute_kinds, facilities
from shared import paging, tallies
from shared.errors import Invalid
from shared.lists.spelling import spelt, spelt_code
from shared.paging import Page

WINDOW = 2_000  # facilities in the order of codes that are looked through before any index is asked
FREQUENT = 20  # so many in a window, and a page is in the next ones sooner than an index finds all
FIRST_REACH_M = 50.0
SPARE = 1.5  # times as many are looked for at first
MOST_NEAR = 100_000  # facilities about one place that are exported
BY_CODE = [facilities.c.code]
PLACE = [facilities.c.quadkey, facilities.c.id]
OUTSIDE = Column("outside", Boolean)  # whether what meets a box has its anchor elsewhere
ORDERED = ("kind", "district")  # an index goes on by code within each of these
KEYED = ("kind", "condition")  # the index on quadkeys has them
MOST_APART = 8  # kinds that are looked through one by one
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
    view: str = View.KNOWN,
    **wanted: Any,
) -> Page:
    """Facilities by code, in a box by place; with ``near`` (longitude, latitude, metres) the nearest, on one page.

    ``wanted``: see ``Wanted``. Retired ones are left out unless a condition asks for them. ``as_of``: as they stood at
    the end of that day, as it was known or as it happened (``view``). Raises DayToCome, DayBeforeRegistry, and Invalid
    for what is near on a past day.
    """
    asked = _given(wanted)
    if (day := past_day(as_of, "as_of")) is not None:
        if near is not None:
            raise Invalid("Of a past day, ask for a box.", field="near")
        return _as_of(session, asked, day, View(view), limit, cursor)
    if near is not None:
        return Page(nearest(session, asked, near, limit))
    if "bbox" in asked:
        by = [OUTSIDE, *PLACE]
        after = paging.position(cursor, by) if cursor else [False, -1, 0]
        return paging.cut(_by_place(session, asked, after, limit + 1), by, limit, attrgetter("facility"))
    code = paging.position(cursor, BY_CODE)[0] if cursor else ""
    return paging.cut(_by_code(session, asked, code, limit + 1), BY_CODE, limit, lambda each: each)


def _as_of(session: Session, asked: Wanted, day: date, view: View, limit: int, cursor: str | None) -> Page:
    end = the_catalogue().city.end_of(day)
    then = seen_as_of(session, end, view)
    after = paging.position(cursor, BY_CODE)[0] if cursor else ""
    wanted = select(*then.c).where(*conditions(session, then, asked), then.c.code > after)
    rows = session.execute(wanted.order_by(then.c.code).limit(limit + 1)).all()
    if not rows:
        must_have_begun(session, day, view, field="as_of")
    registered = registered_as_of(session, [row.id for row in rows], end)
    return paging.cut(rows, BY_CODE, limit, lambda row: Facility(**{**row._mapping, **registered.get(row.id, {})}))


def every_facility(session: Session, *, near: tuple[float, float, float] | None = None, **wanted: Any) -> Iterator[Any]:
    """All that fit, as rows by code, a few thousand in memory at a time; with ``near`` those within its metres."""
    asked = _given(wanted)
    if near is not None:
        for each in sorted(nearest(session, asked, near, MOST_NEAR), key=attrgetter("code")):
            yield {column.name: getattr(each, column.name) for column in facilities.c}
        return
    query = select(*facilities.c).where(*conditions(session, facilities, asked)).order_by(*BY_CODE)
    yield from session.execute(query, execution_options={"yield_per": WINDOW}).mappings()


def are_over(session: Session, count: int, *, near: object = None, **wanted: Any) -> bool:
    """Whether more than so many fit; what is near a place never are."""
    fitting = select(literal(1)).where(*conditions(session, facilities, _given(wanted))).limit(count + 1).subquery()
    return near is None and (session.scalar(select(func.count()).select_from(fitting)) or 0) > count


def _given(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value not in (None, [], {})}


def _by_code(session: Session, asked: Wanted, after: str, count: int) -> Sequence[Facility]:
    """The next ``count`` by code; of few kinds, those of each: the others may fill the codes that lie between."""
    kinds = _kinds(session, asked)
    apart = [asked] if kinds is None or len(kinds) > MOST_APART else [{**asked, "kind": [each]} for each in kinds]
    found: list[int] = []
    for each in apart:
        near = _in_the_next(session, each, after, count)
        if near is None:
            fit = [*conditions(session, facilities, asked), facilities.c.code > after]
            return _sorted_apart(session, fit, BY_CODE, count)
        found += near
    first = select(Facility).where(facilities.c.id.in_(found)).order_by(*BY_CODE).limit(count)
    return session.scalars(first).all()


def _kinds(session: Session, asked: Wanted) -> Sequence[str] | None:
    """The kinds that may fit. None: any, and what is sought by text, which is found in all kinds at once."""
    kinds, names = asked.get("kind"), {known_as(name) for name in asked.get("attributes", ())}
    if "q" in asked:
        return None
    if not names:
        return kinds
    known = attribute_kinds.c
    fit = [known.name.in_(names), *([known.kind.in_(kinds)] if kinds else [])]
    query = select(known.kind).where(*fit).group_by(known.kind).having(func.count() == len(names))
    return session.scalars(query).all()


def _in_the_next(session: Session, asked: Wanted, after: str, count: int) -> Sequence[int] | None:
    """Ids of the next ones, by code: what many have is found at once. None: only an index finds it soon."""
    narrowed = [facilities.c[name] == value for name in ORDERED if (value := _only(asked.get(name)))][:1]
    next_ones = select(facilities).where(*narrowed, facilities.c.code > after).order_by(*BY_CODE)
    found = _in_window(session, asked, next_ones.limit(WINDOW), count)
    if len(found) == count or not _goes_on(session, narrowed, after):
        return found
    if len(found) >= FREQUENT:
        found = _in_window(session, asked, next_ones.limit(10 * WINDOW), count)
    return found if len(found) == count else None


def _only(value: Any) -> Any:
    """The one value that is asked for, or None."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def _goes_on(session: Session, narrowed: Sequence[ColumnElement[bool]], after: str) -> bool:
    """Whether there is anything behind the next window."""
    beyond = select(facilities.c.code).where(*narrowed, facilities.c.code > after).order_by(*BY_CODE)
    return session.scalar(beyond.offset(WINDOW).limit(1)) is not None


def _in_window(session: Session, asked: Wanted, window: Select[Any], count: int) -> Sequence[int]:
    within = window.subquery()
    fit = select(within.c.id).where(*conditions(session, within, asked))
    return session.scalars(fit.order_by(within.c.code).limit(count)).all()


def _sorted_apart(
    session: Session, wanted: Sequence[ColumnElement[bool]], by: Sequence[Any], count: int
) -> Sequence[Facility]:
    """All that fit are found first, then put in order: else the limit tempts PostgreSQL into walking in that order."""
    found = select(facilities.c.id, *by).where(*wanted).cte("found").prefix_with("MATERIALIZED")
    first = select(found.c.id).order_by(*(found.c[each.name] for each in by)).limit(count)
    return session.scalars(select(Facility).where(facilities.c.id.in_(first)).order_by(*by)).all()


class _Placed(NamedTuple):
    """Where a facility stands in the list of a box: what reaches in from outside comes last."""

    outside: bool
    quadkey: int
    id: int | None
    facility: Facility


def _by_place(session: Session, asked: Wanted, after: Sequence[Any], count: int) -> Sequence[_Placed]:
    outside, *place = after
    inside = [] if outside else _inside(session, asked, place, count)
    reaching: Sequence[Facility] = []
    if len(inside) < count:
        fit = [*_reaching_in(asked["bbox"]), *_fit(session, asked), _behind(place if outside else [-1, 0])]
        reaching = _sorted_apart(session, fit, PLACE, count - len(inside))
    both = ((False, inside), (True, reaching))
    return [_Placed(away, each.quadkey, each.id, each) for away, some in both for each in some]


def _inside(session: Session, asked: Wanted, after: Sequence[int], count: int) -> Sequence[Facility]:
    """What is anchored in a box, by quadkey; of what lies before ``count`` nothing beyond is looked at."""
    fit = _fit(session, asked)
    if asked.keys() & INDEXED:
        return _sorted_apart(session, [anchored(asked["bbox"]), *fit, _behind(after)], PLACE, count)
    found: list[Facility] = []
    for part in _parts(asked["bbox"], *after):
        if len(found) < count:
            here = select(Facility).where(part, *fit).order_by(*PLACE)
            found += session.scalars(here.limit(count - len(found)))
    return found


def _parts(box: Any, quadkey: int, id: int) -> Iterator[ColumnElement[bool]]:
    """Where the index on quadkeys is read from there on, each a single stretch of it."""
    for first, last in geo.quadkey_ranges(box):
        if first <= quadkey <= last:
            yield and_(facilities.c.quadkey == quadkey, facilities.c.id > id)
        if quadkey < last:
            yield facilities.c.quadkey.between(max(first, quadkey + 1), last)


def _behind(after: Sequence[int]) -> ColumnElement[bool]:
    return tuple_(*PLACE) > tuple(after)


def _reaching_in(box: Any) -> tuple[ColumnElement[bool], ...]:
    return facilities.c.id.in_(crossing(box)), ~anchored(box)


def _fit(session: Session, asked: Wanted) -> list[ColumnElement[bool]]:
    """All that is asked for, without help from an index for the box."""
    others = {name: value for name, value in asked.items() if name != "bbox"}
    return [*meets(asked["bbox"]), *conditions(session, facilities, others)]


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
            yield or_(*(of.c.code.startswith(each, autoescape=True) for each in {value, spelt_code(value)}))
        case "q":
            yield of.c.search.contains(sought(value), autoescape=True)
        case "attributes":
            has = _has_attribute if plain else _contains_attribute
            yield from (has(of, key, text) for key, text in value.items())
        case "installed_from":
            yield of.c.installed_on >= value
        case "installed_to":
            yield of.c.installed_on <= value
        case "naming_nothing":
            hanging = func.coalesce(naming_nothing(of), false())
            yield hanging if value else ~hanging
        case "last_look":
            yield of.c.last_look_lit.in_([each == LookedAt.LIT for each in value])
        case _ if value == "":
            yield of.c[name].is_(None)
        case _ if isinstance(value, list) and len(value) > 1:
            yield of.c[name].in_(value)
        case _:
            yield of.c[name] == _only(value)  # keeps the order of an index, unlike a list of one


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
    return [*found, *([spelt(text)] if spelt(text) != text else [])]


def nearest(session: Session, asked: Wanted, near: tuple[float, float, float], limit: int) -> list[Facility]:
    """The nearest that fit, looked for in ever larger boxes until enough of them are nearer than the box's edge."""
    longitude, latitude, farthest_m = near
    reach_m = min(_likely_reach(session, asked, longitude, latitude, limit), farthest_m)
    while True:
        box = geo.box_around(longitude, latitude, reach_m)
        found = _meeting(session, {**asked, "bbox": box})
        reach = [(geo.metres_from(each.geometry, longitude, latitude), each.code, each) for each in found]
        inside = sorted((each for each in reach if each[0] <= reach_m), key=lambda each: each[:2])
        if len(inside) >= limit or reach_m >= farthest_m:
            return [each for _, _, each in inside[:limit]]
        reach_m = min(2 * reach_m, farthest_m)


def _meeting(session: Session, asked: Wanted) -> list[Facility]:
    """All that meets a small box."""
    query, box = select(Facility).where(*_fit(session, asked)), asked["bbox"]
    ways = [anchored(box)], _reaching_in(box)
    return [each for way in ways for each in session.scalars(query.where(*way))]


def _likely_reach(session: Session, asked: Wanted, longitude: float, latitude: float, limit: int) -> float:
    """Within how many metres so many probably lie, by the sums kept for the square of the map about a place."""
    tile = Tile(LEVELS[-1], *geo.tile_of(longitude, latitude, LEVELS[-1]))
    kept = tallies.read(session, figure(LEVELS[-1]), text_of(tile.first, LEVELS[-1]))
    fit = sum(count for (_, kind, _), count in kept.items() if kind in asked.get("kind", kind))
    west, south, _, north = tile.box
    side_m = geo.metres_between((west, south), (west, north))
    return max(FIRST_REACH_M, side_m * sqrt(SPARE * limit / (pi * max(1, fit))))
