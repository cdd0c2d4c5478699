"""What one can ask about orders, crews, rules, members and photos. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from services.workorders import tables
from services.workorders.domain.catalogue import Catalogue
from services.workorders.domain.clocks import Light
from services.workorders.domain.crews import Crew, DispatchRule
from services.workorders.domain.members import REFRESH_LIFETIME, DeviceKey, Member, SignedIn
from services.workorders.domain.orders import ALL, UNDISPOSED, Order, Sight, Sort, parse_number, running_number
from services.workorders.domain.photos import Holder, Naming, Photo
from services.workorders.domain.places import DISTRICT
from shared import clock
from shared.errors import NotFound
from shared.events.inspections import mark_of
from shared.lists import conditions
from shared.lists.codes import codes_meant
from shared.paging import Page, page

MOST_SESSIONS = 200
AT_ONCE = 1_000  # orders of a file in memory
UNITS = ("owner", "authority", "maintainer")
orders = tables.work_orders.c


SEVERAL = (
    "state", "category", "group", "severity", "source", "kind", "district", "street", "grid", "owner", "authority",
    "maintainer", "crew",
)  # fmt: skip
ALIKE = ("finding_id", "alert_id", "alert_active", "supervised")
SORTED: dict[Sort, tuple[list[Column[Any]], bool]] = {  # ids grow as orders are registered
    Sort.NEWEST: ([orders.id], True),
    Sort.OLDEST: ([orders.id], False),
    Sort.DUE: ([orders.due_at, orders.id], False),
    Sort.LAST_DUE: ([orders.due_at, orders.id], True),
}


def list_orders(
    session: Session, *, sight: Sight, limit: int, cursor: str | None, sort: str = Sort.NEWEST, **wanted: Any
) -> Page:
    """Orders that fit ``wanted``, with their photos and without their moves, as far as ``sight`` goes.

    ``wanted``: see schemas.OrdersAsked; what is None asks for nothing.
    """
    by, descending = SORTED[Sort(sort)]
    query = select(Order, *by).options(selectinload(Order.photos))  # type: ignore[arg-type]
    query = query.where(*seen(sight), *asked_for(session, wanted))
    order, make = "" if sort == Sort.NEWEST else sort, itemgetter(0)
    return page(session, query, by, limit=limit, cursor=cursor, descending=descending, make=make, order=order)


def every_order(session: Session, *, sight: Sight, sort: str = Sort.NEWEST, **wanted: Any) -> Iterator[Order]:
    """The same, all of them, some at a time in memory; their photos and moves must not be asked for."""
    by, descending = SORTED[Sort(sort)]
    query = select(Order).where(*seen(sight), *asked_for(session, wanted))
    query = query.order_by(*(each.desc() if descending else each for each in by))
    yield from session.scalars(query, execution_options={"yield_per": AT_ONCE})


def are_over(session: Session, count: int, *, sight: Sight, sort: str = Sort.NEWEST, **wanted: Any) -> bool:
    """Whether more than so many fit."""
    fitting = select(orders.id).where(*seen(sight), *asked_for(session, wanted)).limit(count + 1).subquery()
    return (session.scalar(select(func.count()).select_from(fitting)) or 0) > count


def asked_for(session: Session, wanted: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What an order must fulfil to be what is asked for."""
    given = {name: value for name, value in wanted.items() if value is not None}
    return [_condition(session, name, value, clock.now()) for name, value in given.items()]


def _condition(session: Session, name: str, value: Any, now: datetime) -> Any:
    match name:
        case "overdue":
            late = orders.state.in_(UNDISPOSED) & (orders.due_at < now)
            return late if value else ~late
        case "light":
            return _light(now).in_(value)
        case "q":
            return or_(
                conditions.said(orders.search, value),
                orders.id == (running_number(value) or 0),
                orders.facility_code.in_(codes_meant(session, tables.former_codes, value) - {value}),
            )
        case "bbox":
            return conditions.in_box(orders.longitude, orders.latitude, value)
        case "near":
            return conditions.near(orders.longitude, orders.latitude, value)
        case "registered_from" | "due_from":
            return conditions.since(orders[f"{name[:-5]}_at"], value, present_catalogue(session).zone)
        case "registered_to" | "due_to":
            return conditions.until(orders[f"{name[:-3]}_at"], value, present_catalogue(session).zone)
        case "facility_code":
            return orders.facility_code.in_(codes_meant(session, tables.former_codes, value))
        case _ if name in SEVERAL:
            return conditions.one_of(orders[name], value)
        case _ if name in ALIKE:
            return orders[name] == value
    raise KeyError(name)


def _light(now: datetime) -> ColumnElement[str]:
    """``Order.light`` in SQL."""
    known = orders.disposal_known_at > orders.disposed_at
    at = case((orders.disposed_at.is_(None), literal(now, orders.due_at.type)), (known, orders.disposal_known_at),
              else_=orders.disposed_at)  # fmt: skip
    return case((at <= orders.warn_at, Light.GREEN), (at <= orders.due_at, Light.YELLOW), else_=Light.RED)


def present_catalogue(session: Session) -> Catalogue:
    """This service's copy; an empty one until the first has come."""
    return session.scalars(select(Catalogue).limit(1)).first() or Catalogue(name="")


def seen(sight: Sight) -> list[ColumnElement[bool]]:
    """What an order must fulfil to be within this sight."""
    if sight.crew is not None:
        return [orders.crew == sight.crew]
    if sight.unit is not None:
        return [or_(*(orders[role] == sight.unit for role in UNITS))]
    return []


_HAS_PHOTOS = select(tables.order_photos.c.sha256).where(tables.order_photos.c.order_id == orders.id).exists()
# PostgreSQL reads a row that it waited for anew, and all else as it stood before: then this differs from the row's own.
_same = tables.work_orders.alias()
_REVISION = select(_same.c.revision).where(_same.c.id == orders.id).scalar_subquery()


def get_order(session: Session, *, number: str, sight: Sight, hold: bool = False) -> Order:
    """An order, locked with ``hold``. Raises NotFound also beyond ``sight``: that it is there is not theirs to know."""
    # By its key alone: a planner that knows no statistics yet would rather go through all orders of a crew.
    visible, its = and_(true(), *seen(sight)), orders.id == (parse_number(number) or 0)
    wanted = select(Order, visible, _HAS_PHOTOS, _REVISION).where(its)
    wanted = wanted.options(joinedload(Order.moves))  # type: ignore[arg-type]
    if hold:
        wanted = wanted.with_for_update(of=tables.work_orders)
    found: tuple[Order | None, bool, bool, int] | None = session.execute(wanted).unique().first()
    order, theirs, has_photos, revision = found or (None, False, False, 0)
    if order is None or not theirs or order.number != number:
        raise NotFound(f"There is no work order {number}.").but_there(order is not None and order.number == number)
    if order.revision != revision:
        session.expire(order, ["moves", "photos"])
    elif not has_photos:
        set_committed_value(order, "photos", [])  # most orders have none yet: that needs no question of its own
    return order


def list_crews(session: Session, *, limit: int, cursor: str | None) -> Page:
    crews = tables.crews.c
    found = page(session, select(Crew, crews.code), [crews.code], limit=limit, cursor=cursor, make=lambda row: row[0])
    return Page(with_names(session, found.items), found.next)


def get_crew(session: Session, *, code: str) -> dict[str, Any]:
    crew = session.get(Crew, code)
    if crew is None:
        raise NotFound(f"There is no crew {code}.")
    return show_crew(session, crew)


def show_crew(session: Session, crew: Crew) -> dict[str, Any]:
    """A crew with the names of its districts."""
    return with_names(session, [crew])[0]


def with_names(session: Session, crews: Sequence[Crew]) -> list[dict[str, Any]]:
    """Crews with what people call their districts, as far as the city has told us."""
    areas = tables.areas.c
    wanted = {code for crew in crews for code in crew.districts}
    rows = session.execute(select(areas.code, areas.name).where(areas.level == DISTRICT, areas.code.in_(wanted)))
    names = {row.code: row.name for row in rows}
    return [vars(crew) | {"district_names": {c: names[c] for c in crew.districts if c in names}} for crew in crews]


def list_rules(session: Session, *, limit: int, cursor: str | None) -> Page:
    """Dispatch rules in the order in which they are tried."""
    rules = tables.dispatch_rules.c
    query = select(DispatchRule, rules.priority, rules.name)
    return page(session, query, [rules.priority, rules.name], limit=limit, cursor=cursor, make=lambda row: row[0])


def get_rule(session: Session, *, rule_id: UUID) -> DispatchRule:
    rule = session.get(DispatchRule, rule_id)
    if rule is None:
        raise NotFound(f"There is no dispatch rule {rule_id}.")
    return rule


def list_members(session: Session, *, limit: int, cursor: str | None) -> Page:
    members = tables.members.c
    query = select(Member, members.name)
    return page(session, query, [members.name], limit=limit, cursor=cursor, make=lambda row: row[0])


def get_member(session: Session, *, member_id: UUID) -> Member:
    member = session.get(Member, member_id)
    if member is None:
        raise NotFound(f"There is no member {member_id}.")
    return member


def get_photo(session: Session, *, sha256: str, viewer: Holder, sight: Sight | None) -> Photo:
    """A stored photo, for whoever has sent its bytes, or may see the order that shows it. Raises NotFound.

    ``sight`` None: of orders none.
    """
    photo = session.get(Photo, sha256)
    if photo is None or not may_see(session, photo, viewer, sight):
        raise NotFound(f"There is no photo {sha256}.").but_there(photo is not None)
    return photo


def may_see(session: Session, photo: Photo, viewer: Holder, sight: Sight | None) -> bool:
    """Who may see every order and finding may see every photo: also one that an unconfirmed finding names."""
    if sight == ALL:
        return True
    holders = holders_of(session, photo)
    if viewer in holders or (not viewer.crew and viewer.name in {each.name for each in holders}):
        return True
    return sight is not None and any(each.shows_to_readers(holders) for each in _named_by(session, photo, sight))


def holders_of(session: Session, photo: Photo) -> set[Holder]:
    """Everybody who has sent these bytes; of old ones only who was the first is known, and not of which crew."""
    held = tables.photo_holders.c
    rows = session.execute(select(held.name, held.crew).where(held.sha256 == photo.sha256))
    return {Holder(*row) for row in rows} or {Holder(photo.stored_by)}


def _named_by(session: Session, photo: Photo, sight: Sight) -> Iterator[Naming]:
    named = tables.order_photos.c
    query = select(named.named_by, named.named_crew, named.reporter_mark, orders.finding_id)
    within = query.join(tables.work_orders, orders.id == named.order_id).where(*seen(sight))
    for by, crew, mark, finding_id in session.execute(within.where(named.sha256 == photo.sha256)):
        yield Naming(by, crew, partial(_is_reporter, finding_id, mark) if mark else None)


def _is_reporter(finding_id: UUID, mark: str, name: str) -> bool:
    return mark_of(finding_id, name) == mark


def list_sessions(session: Session, *, name: str) -> list[SignedIn]:
    """What somebody is signed in with, last used first."""
    members, sessions = tables.members.c, tables.sessions.c
    alive = sessions.last_used_at > clock.now() - REFRESH_LIFETIME
    query = select(SignedIn).join(tables.members, sessions.member_id == members.id)
    query = query.where(members.name == name, sessions.ended_at.is_(None), alive)
    return list(session.scalars(query.order_by(sessions.last_used_at.desc(), sessions.id).limit(MOST_SESSIONS)))


def list_keys(session: Session, *, member_id: UUID) -> list[DeviceKey]:
    """The keys of a device, the newest first. Raises NotFound."""
    get_member(session, member_id=member_id)
    keys = tables.device_keys.c
    return list(session.scalars(select(DeviceKey).where(keys.member_id == member_id).order_by(keys.made_at.desc())))
