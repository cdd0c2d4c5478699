"""What one can ask of inspections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Label, Pool, Row, Select, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from services.inspections.domain.findings import ALL, UNITS, Finding, Sight, Sort, Standing, State, UnknownFinding
from services.inspections.domain.light_checks import LightCheck, UnknownLightCheck
from services.inspections.domain.orders import Light, Order, OrderState
from services.inspections.domain.places import Area, City
from services.inspections.domain.rulebook import Rulebook, Source, read_categories
from services.inspections.tables import (
    areas,
    catalogue_copies,
    finding_moves,
    finding_orders,
    finding_sources,
    findings,
    former_codes,
    light_checks,
)
from shared import clock
from shared.lists import conditions
from shared.lists.codes import codes_meant
from shared.lists.files import chinese_names
from shared.paging import Named, Page, page

CATALOGUE = "catalogue"
AT_ONCE = 1_000  # findings of a file in memory
orders = finding_orders.c
FIELDS = tuple(column.name for column in findings.c)
SEVERAL = (
    "state", "category", "severity", "source", "kind", "district", "street", "grid", "owner", "authority", "maintainer",
)  # fmt: skip
OF_ORDERS = {"light", "overdue", "supervised", "due_from", "due_to"}
# What has no order comes last, whichever way they are sorted.
LONG_SINCE, FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _due(without: datetime) -> Label[datetime]:
    return func.coalesce(orders.due_at, literal(without, orders.due_at.type)).label("due")


SORTED: dict[Sort, tuple[list[Named], bool]] = {
    Sort.NEWEST: ([findings.c.reported_at, findings.c.id], True),
    Sort.OLDEST: ([findings.c.reported_at, findings.c.id], False),
    Sort.DUE: ([_due(FAR_AHEAD), findings.c.id], False),
    Sort.LAST_DUE: ([_due(LONG_SINCE), findings.c.id], True),
}
FRESH_S = 2.0  # how long a report is judged by the rulebook that this process has read


class Known(NamedTuple):
    """What reports are judged by, until so many seconds of the monotonic clock."""

    until: float
    book: Rulebook
    city: City


_read: WeakKeyDictionary[Pool, Known] = WeakKeyDictionary()  # by database


def rulebook(session: Session) -> Rulebook:
    """The rules that reports are judged by, at most FRESH_S seconds old."""
    return _fresh(session).book


def the_city(session: Session) -> City:
    """Where the city lies, as far as we had been told FRESH_S seconds ago."""
    return _fresh(session).city


def _fresh(session: Session) -> Known:
    pool = session.connection().engine.pool
    known = _read.get(pool)
    if known is None or time.monotonic() > known.until:
        book = _read_rulebook(session)
        city = City(book.bounds, session.scalars(select(Area).order_by(areas.c.code)))
        known = _read[pool] = Known(time.monotonic() + FRESH_S, book, city)
    return known


def forget_rulebook(session: Session) -> None:
    """Read it anew the next time, and where the city lies: they are about to change."""
    _read.pop(session.connection().engine.pool, None)


def _read_rulebook(session: Session) -> Rulebook:
    copies = session.execute(select(catalogue_copies.c.catalogue).order_by(catalogue_copies.c.name)).scalars()
    catalogue = next(iter(copies), None)
    rows = session.execute(select(finding_sources))
    return Rulebook(
        names=chinese_names(catalogue or {}),
        categories=None if catalogue is None else read_categories(catalogue),
        sources={row.source: Source(**row._mapping) for row in rows},
        bounds=tuple((catalogue or {}).get("city", {}).get("bounds", ())) or None,
        zone=ZoneInfo((catalogue or {}).get("lighting", {}).get("timezone", "UTC")),
    )


def find_findings(
    session: Session, *, sight: Sight, limit: int, cursor: str | None, sort: str = Sort.NEWEST, **wanted: Any
) -> Page:
    """Findings that fit ``wanted`` (see schemas.FindingsAsked), as far as ``sight`` goes; None asks for nothing."""
    by, descending = SORTED[Sort(sort)]
    query = _asked(session, sight, wanted, select(*findings.c, *_labels(by)), by)
    order = "" if sort == Sort.NEWEST else sort
    found = page(session, query, by, limit=limit, cursor=cursor, descending=descending, make=_made, order=order)
    tell_standing(session, found.items)
    tell_orders(session, found.items)
    return found


def every_finding(session: Session, *, sight: Sight, sort: str = Sort.NEWEST, **wanted: Any) -> Iterator[Any]:
    """All of them, each with its order or None, some at a time in memory."""
    by, descending = SORTED[Sort(sort)]
    query = _asked(session, sight, wanted, select(Finding, Order), by, joined=True)
    query = query.order_by(*(each.desc() if descending else each for each in by))
    yield from session.execute(query, execution_options={"yield_per": AT_ONCE})


def are_over(session: Session, count: int, *, sight: Sight, sort: str = Sort.NEWEST, **wanted: Any) -> bool:
    """Whether more than so many fit."""
    fitting = _asked(session, sight, wanted, select(findings.c.id), []).limit(count + 1).subquery()
    return (session.scalar(select(func.count()).select_from(fitting)) or 0) > count


def _asked(
    session: Session,
    sight: Sight,
    wanted: Mapping[str, Any],
    query: Any,
    by: Sequence[Named],
    joined: bool = False,
) -> Any:
    """``query`` with its conditions; orders are joined where they are sorted by, or wanted too."""
    if joined or _labels(by):
        query = query.outerjoin_from(findings, finding_orders, orders.finding_id == findings.c.id)
    now, zone = clock.now(), rulebook(session).zone
    given = {name: value for name, value in wanted.items() if value is not None}
    of_orders = [_order_condition(name, given[name], now, zone) for name in sorted(OF_ORDERS & given.keys())]
    own = [_condition(session, name, value, now, zone) for name, value in given.items() if name not in OF_ORDERS]
    return query.where(
        *seen(sight), *own, *_orders_fit([each for each in of_orders if each is not None]), *_orders_do_not(given, now)
    )


def _orders_fit(fitting: Sequence[ColumnElement[bool]]) -> Iterator[ColumnElement[bool]]:
    """By columns that the database keeps statistics of: then it knows which of the two tables to begin with."""
    if fitting:
        yield findings.c.id.in_(select(orders.finding_id).where(*fitting))


def _orders_do_not(given: Mapping[str, Any], now: datetime) -> Iterator[ColumnElement[bool]]:
    """Who asks for what is not overdue, or not supervised, wants what has no order too."""
    for name, condition in (("overdue", _late(now)), ("supervised", orders.supervised)):
        if given.get(name) is False:
            yield findings.c.id.not_in(select(orders.finding_id).where(condition))


def _late(now: datetime) -> ColumnElement[bool]:
    return and_(orders.state == OrderState.OPEN, orders.due_at < now)


def _order_condition(name: str, value: Any, now: datetime, zone: tzinfo) -> ColumnElement[bool] | None:
    match name:
        case "light":
            return _light(value, now)
        case "due_from":
            return conditions.since(orders.due_at, value, zone)
        case "due_to":
            return conditions.until(orders.due_at, value, zone)
        case "overdue":
            return _late(now) if value else None
    return orders.supervised if value else None


def _labels(by: Iterable[Named]) -> list[Label[Any]]:
    """What is sorted by beside findings' own columns."""
    return [each for each in by if isinstance(each, Label)]


def _condition(session: Session, name: str, value: Any, now: datetime, zone: tzinfo) -> Any:
    match name:
        case "facility_code":
            return _about(codes_meant(session, former_codes, value))
        case "q":
            renumbered = _about(codes_meant(session, former_codes, value) - {value})
            return or_(conditions.said(findings.c.search, value), renumbered, *_named(value))
        case "bbox":
            return conditions.in_box(findings.c.longitude, findings.c.latitude, value)
        case "near":
            return conditions.near(findings.c.longitude, findings.c.latitude, value)
        case "reported_from" | "found_from":
            return conditions.since(findings.c[f"{name[:-5]}_at"], value, zone)
        case "reported_to" | "found_to":
            return conditions.until(findings.c[f"{name[:-3]}_at"], value, zone)
        case "place_check":
            return findings.c.place_check == value
        case _ if name in SEVERAL:
            return conditions.one_of(findings.c[name], value)
    raise KeyError(name)


def _about(codes: set[str]) -> ColumnElement[bool]:
    return or_(findings.c.facility_code.in_(codes), findings.c.linked_code.in_(codes))


def _named(words: str) -> Iterator[ColumnElement[bool]]:
    """That words are the finding's own id, which its reporter was told as its number."""
    with suppress(ValueError):
        yield findings.c.id == UUID(words.strip())


def _light(lights: Sequence[str], now: datetime) -> ColumnElement[bool]:
    """``Order.light`` in SQL."""
    still = {
        Light.RED: orders.due_at < now,
        Light.YELLOW: and_(orders.due_at >= now, orders.warn_at < now),
        Light.GREEN: and_(orders.due_at >= now, or_(orders.warn_at.is_(None), orders.warn_at >= now)),
    }
    going = or_(*(still[Light(each)] for each in lights))
    return or_(orders.kept_light.in_(lights), and_(orders.kept_light.is_(None), going))


def _made(row: Row[Any]) -> Finding:
    return Finding(**{name: row._mapping[name] for name in FIELDS})


def tell_orders(session: Session, found: Iterable[Finding]) -> None:
    """Let findings say how their orders stand."""
    by_id = {each.id: each for each in found}
    if by_id:
        for order in session.scalars(select(Order).where(orders.finding_id.in_(by_id))):
            by_id[order.finding_id].order = order


def tell_standing(session: Session, found: Iterable[Finding]) -> None:
    """Let merged findings say how the one stands that stands for them: their reporters may not see that one itself."""
    merged = [each for each in found if each.merged_into]
    columns = findings.c["id", "state", "confirmed_at", "ended_at", "reason"]
    number = func.coalesce(orders.number, findings.c.order_number)
    wanted: Select[Any] = select(*columns, number).where(findings.c.id.in_({each.merged_into for each in merged}))
    wanted = wanted.outerjoin_from(findings, finding_orders, orders.finding_id == findings.c.id)
    standing = {row.id: Standing(*row) for row in session.execute(wanted)} if merged else {}
    for each in merged:
        each.standing = standing.get(each.merged_into)


def seen(sight: Sight) -> list[ColumnElement[bool]]:
    """What a finding must fulfil to be within this sight."""
    if sight.reporter is None:
        return []
    own = findings.c.reporter == sight.reporter
    if sight.unit is None:
        return [own]
    return [or_(own, *(findings.c[role] == sight.unit for role in UNITS))]


def get_finding(session: Session, finding_id: UUID, *, sight: Sight = ALL) -> Finding:
    """One finding. Raises UnknownFinding, also beyond ``sight``: that it is there is not theirs to know."""
    finding = session.scalars(select(Finding).where(findings.c.id == finding_id, *seen(sight))).first()
    if finding is None:
        raise unknown(session, finding_id)
    tell_standing(session, [finding])
    tell_orders(session, [finding])
    return finding


def unknown(session: Session, finding_id: UUID) -> UnknownFinding:
    """What is said of a finding that is not there, or not for the caller."""
    there = session.scalar(select(findings.c.id).where(findings.c.id == finding_id)) is not None
    return UnknownFinding(f"There is no finding {finding_id}.").but_there(there)


def find_moves(session: Session, finding_id: UUID, *, sight: Sight, limit: int, cursor: str | None) -> Page:
    """The moves that a finding made after it arrived, oldest first. Raises as ``get_finding`` does."""
    get_finding(session, finding_id, sight=sight)
    wanted = select(finding_moves).where(finding_moves.c.finding_id == finding_id)
    return page(session, wanted, [finding_moves.c.id], limit=limit, cursor=cursor)


def find_sources(session: Session, *, limit: int, cursor: str | None) -> Page:
    """The sources of findings by name."""
    return page(session, select(finding_sources), [finding_sources.c.source], limit=limit, cursor=cursor)


def find_light_checks(session: Session, *, sight: Sight, limit: int, cursor: str | None) -> Page:
    """Lighting checks in the order of their arrival."""
    wanted = select(light_checks)
    if sight.reporter is not None:  # a check is of lamps of several units, and so of none
        wanted = wanted.where(light_checks.c.inspector == sight.reporter)
    by = [light_checks.c.recorded_at, light_checks.c.id]
    make = lambda row: LightCheck(**row._mapping, lamps=[])  # noqa: E731
    return page(session, wanted, by, limit=limit, cursor=cursor, make=make)


def get_light_check(session: Session, check_id: UUID, *, sight: Sight = ALL) -> LightCheck:
    """One lighting check. Raises UnknownLightCheck, also beyond ``sight``."""
    check = session.get(LightCheck, check_id)
    if check is None or sight.reporter not in (None, check.inspector):
        raise UnknownLightCheck(f"There is no lighting check {check_id}.").but_there(check is not None)
    return check


def was_repaired_since(session: Session, finding: Finding, at: datetime) -> bool:
    """Whether an order of the same on its facility was closed at that time or later: then its work may be meant."""
    there = findings.c.facility_code == finding.facility, findings.c.linked_code == finding.facility
    repaired = findings.c.category == finding.category, findings.c.state == State.RESOLVED, findings.c.ended_at >= at
    return session.scalar(select(findings.c.id).where(or_(*there), *repaired).limit(1)) is not None


def find_holders(session: Session, slots: Iterable[str]) -> dict[str, UUID]:
    """The open findings that hold these slots."""
    wanted = select(findings.c.slot, findings.c.id).where(findings.c.slot.in_(sorted(slots)))
    return {row.slot: row.id for row in session.execute(wanted)}
