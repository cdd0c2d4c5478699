"""The rates, from the sums that are kept; for a past day, from what has changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, ColumnElement, FromClause, Integer, String, case, func, literal, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import IN_SERVICE, Condition, LightSource
from services.assets.domain.rates import SERIES, Board, By, Key, LeftOut, Rate, RateName
from services.assets.domain.standings import Standing, View
from services.assets.domain.sums import Dimension, Figure, amounts, name_of
from services.assets.queries.lamps import list_metered
from services.assets.queries.past import (
    as_happened,
    as_of,
    late_facts,
    looks_as_of,
    must_have_begun,
    past_day,
    standings_happened,
    standings_known,
    still_stands,
    stood,
)
from services.assets.tables import facilities, past_standings
from shared import tallies
from shared.paging import Page, cut, position

PLACE = (Column("series", Integer), Column("key", String), Column("kind", String))  # of a rate in the list


class Placed(NamedTuple):
    series: int
    key: str
    kind: str
    made: Rate


Only = Mapping[str, str]  # field of a facility → what it must be; an empty text: none
Counts = dict[str, Counter[Key]]  # by figure


class Kept(Counts):
    """Sums that are kept, each figure read when it is first asked for: a page of one rate needs few of them."""

    def __init__(self, read: Callable[[str], Counter[Key]]) -> None:
        super().__init__()
        self.read = read

    def __missing__(self, figure: str) -> Counter[Key]:
        found = self[figure] = self.read(figure)
        return found


def list_rates(
    session: Session,
    *,
    by: str,
    rate: str | None = None,
    date: date | None = None,
    view: str = View.KNOWN,
    window_days: int = 1,
    limit: int = 1_000,
    cursor: str | None = None,
    **only: str | None,
) -> Page:
    """The rates about facilities under each key of ``by``, now or at the end of a past day of the city, rate by rate.

    ``only``: what the facilities must have in common. ``window_days`` is the metered rate's. Raises DayToCome,
    DayBeforeRegistry.
    """
    wanted = {name: value for name, value in only.items() if value is not None}
    past = past_day(date)
    board = _past_board(session, By(by), wanted, past, View(view)) if past else _board(session, By(by), wanted)
    after = tuple(position(cursor, PLACE)) if cursor else (-1, "", "")
    found: list[Placed] = []
    for number, series in enumerate(SERIES):
        if rate in (None, series.rate) and len(found) <= limit:
            here = series.keys(board) if number >= after[0] else []
            keys = sorted(here if number > after[0] else [key for key in here if key > after[1:]])
            found += [Placed(number, *key, series.make(board, key)) for key in keys[: limit + 1 - len(found)]]
    if rate in (None, RateName.LIGHT_ON_METERED) and len(found) <= limit:
        seen = View(view) if date else View.HAPPENED
        metered = list_metered(session, by=By(by), date=date, window_days=window_days, only=wanted, view=seen)
        last = sorted((Placed(len(SERIES), each.key, each.kind or "", each) for each in metered), key=itemgetter(1, 2))
        found += [each for each in last if each[:3] > after]
    if past and not found:
        must_have_begun(session, past, View(view), field="date")
    return cut(found, PLACE, limit, attrgetter("made"))


def _board(session: Session, by: By, only: Only) -> Board:
    """As things stand."""
    return Board(by, the_catalogue(), _totals(session, by, only), _left_out(session, facilities, by, only), only)


def _past_board(session: Session, by: By, only: Only, day: date, view: View) -> Board:
    """What stands now, without what stands so since later only, and with how that stood on the day."""
    end = the_catalogue().city.end_of(day)
    then, totals = as_of(end), _totals(session, by, only)
    _add(totals, _grouped(session, facilities, by, only, ~still_stands(end)), -1)
    _add(totals, _grouped(session, past_standings, by, only, stood(end)), 1)
    if view is View.HAPPENED:
        ids = late_facts(session, end)
        _add(totals, _counted(standings_known(session, ids, end), by, only), -1)
        happened = dict(standings_happened(session, ids, end))
        _add(totals, _counted(happened.values(), by, only), 1)
        then = as_happened(session, end, happened)
    totals |= _looked(session, then, by, only, end)
    asked = {**only, "as_of": day.isoformat()} | ({"view": view.value} if view is View.HAPPENED else {})
    return Board(by, the_catalogue(), totals, _left_out(session, then, by, only), asked)


def _totals(session: Session, by: By, only: Only) -> Counts:
    """From the sums that are kept, where what is asked for is but the kind and what they are kept by."""
    dimension = _dimension(by, only)
    if dimension is None:
        counted = Kept(lambda figure: Counter())
        counted |= _grouped(session, facilities, by, only)
        return counted
    return Kept(lambda figure: _read(session, Figure(figure), dimension, by, only))


def _dimension(by: By, only: Only) -> Dimension | None:
    places = {*only, by.value} - {"kind"}
    return None if len(places) > 1 else Dimension(places.pop()) if places else Dimension.DISTRICT


def _read(session: Session, figure: Figure, dimension: Dimension, by: By, only: Only) -> Counter[Key]:
    beginning = f"{only[dimension]}{tallies.LABEL_END}" if dimension in only else ""
    sums = tallies.read(session, name_of(figure, dimension), beginning)
    if by is not By.KIND and "kind" not in only:
        return Counter(cast(Mapping[Key, int], sums))
    found: Counter[Key] = Counter()
    for (place, kind), amount in sums.items():
        if only.get("kind", kind) == kind:
            found[kind if by is By.KIND else place, kind] += amount
    return found


def _grouped(session: Session, source: FromClause, by: By, only: Only, *where: ColumnElement[bool]) -> Counts:
    """The sums over some facilities or past standings, counted from their rows."""
    figures = _summed(source)
    key = _text(source.c[by.value])
    rows = session.execute(
        select(key, source.c.kind, *(func.sum(each) for each in figures.values()))
        .where(*where, *_only(source, only))
        .group_by(key, source.c.kind)
    )
    found: Counts = {figure: Counter() for figure in figures}
    for place, kind, *sums in rows:
        for figure, amount in zip(figures, sums, strict=True):
            found[figure][place, kind] = int(amount)
    return found


def _only(source: FromClause, only: Only) -> Iterator[ColumnElement[bool]]:
    return (source.c[name] == value if value else source.c[name].is_(None) for name, value in only.items())


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.coalesce(column, "") if column.nullable else column


def _summed(source: FromClause) -> dict[Figure, ColumnElement[int]]:
    """What a row adds to each figure."""
    serves = source.c.condition.in_([each.value for each in IN_SERVICE])
    lamp = serves & source.c.light_source.is_not(None)
    amounts = {
        Figure.IN_SERVICE: (serves, source.c.measure_milli),
        Figure.DEFECTIVE: (serves, source.c.defective_milli),
        Figure.ESTIMATED: (serves & source.c.measure_estimated, source.c.measure_milli),
        Figure.LAMPS: (lamp, literal(1)),
        Figure.LAMPS_LED: (lamp & (source.c.light_source == LightSource.LED.value), literal(1)),
        Figure.LAMPS_OF_UNKNOWN_LIGHT: (lamp & (source.c.light_source == LightSource.UNKNOWN.value), literal(1)),
        Figure.LAMPS_OF_UNKNOWN_POWER: (lamp & source.c.power_milliwatts.is_(None), literal(1)),
        Figure.POWER: (lamp, func.coalesce(source.c.power_milliwatts, 0)),
    }
    if "last_look_lit" in source.c:
        looked = serves & source.c.last_look_lit.is_not(None)
        amounts[Figure.LAMPS_CHECKED] = (looked, literal(1))
        amounts[Figure.LAMPS_LIT] = (looked & source.c.last_look_lit, literal(1))
    return {figure: case((counts, amount), else_=0) for figure, (counts, amount) in amounts.items()}


def _looked(session: Session, then: FromClause, by: By, only: Only, end: datetime) -> Counts:
    """Lamps looked at and seen lit at a past moment, from the looks themselves; ``then``: all as they stood."""
    seen = looks_as_of(end)
    key = _text(then.c[by.value])
    rows = session.execute(
        select(key, then.c.kind, func.count(), func.sum(case((seen.c.lit, 1), else_=0)))
        .join_from(seen, then, then.c.id == seen.c.facility_id)
        .where(then.c.condition.in_([each.value for each in IN_SERVICE]))
        .where(*_only(then, only))
        .group_by(key, then.c.kind)
    ).all()
    return {
        Figure.LAMPS_CHECKED: Counter({(place, kind): count for place, kind, count, _ in rows}),
        Figure.LAMPS_LIT: Counter({(place, kind): int(lit) for place, kind, _, lit in rows}),
    }


def _counted(standings: Iterable[Standing], by: By, only: Only) -> Counts:
    """The sums over some standings."""
    found: Counts = {figure: Counter() for figure in Figure if figure != Figure.FACILITIES}
    for each in standings:
        if all((getattr(each, name) or "") == value for name, value in only.items()):
            for (figure, *_), amount in amounts(each, None):
                if figure in found:
                    found[figure][getattr(each, by) or "", each.kind] += amount
    return found


def _add(totals: Counts, more: Counts, sign: int) -> None:
    for figure, sums in more.items():
        mine = totals[figure]
        for key, amount in sums.items():
            mine[key] += sign * amount


def _left_out(session: Session, source: FromClause, by: By, only: Only) -> LeftOut:
    """By (key of ``by``, kind): how many are out of service, how much that is, and why."""
    key, reason = _text(source.c[by.value]), func.coalesce(source.c.out_of_service_reason, "")
    rows = session.execute(
        select(key, source.c.kind, reason, func.count(), func.sum(source.c.measure_milli))
        .where(source.c.condition == Condition.OUT_OF_SERVICE.value)
        .where(*_only(source, only))
        .group_by(key, source.c.kind, reason)
    )
    return _gathered(rows.all())


def _gathered(rows: Sequence[Any]) -> LeftOut:
    found: dict[Key, dict[str, Any]] = {}
    for key, kind, reason, count, milli in rows:
        entry = found.setdefault((key, kind), {"facilities": 0, "quantity": 0.0, "reasons": {}})
        entry["facilities"] += count
        entry["quantity"] += int(milli) / 1000
        entry["reasons"][reason] = count
    return found
