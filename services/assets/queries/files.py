"""Everything that is known of one facility, now or as it was known on a past day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, func, or_, select, true
from sqlalchemy.orm import Session

from services.assets.domain.attributes import Attribute
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.documents import Document, UnknownDocument
from services.assets.domain.facilities import Facility
from services.assets.domain.lives import NotYetKnown
from services.assets.domain.rates import DayToCome
from services.assets.domain.viewers import EVERYTHING, Viewer
from services.assets.queries.codes import get_facility
from services.assets.queries.past import as_of as all_as_of
from services.assets.queries.past import registered_as_of
from services.assets.queries.views import Where, seen_deeds, seen_defects, seen_orders, shown_to
from services.assets.tables import (
    defects,
    facility_documents,
    facility_history,
    facility_orders,
    former_codes,
    looks,
    units,
)
from shared import clock

NO_BOUND: Where = []
MOST = 500  # entries of one sort in a file: the newest; how many more there are is said
ROLES = ("owner", "authority", "maintainer")
OUTCOMES = ("defect_restored", "defect_reopened", "defect_merged")

Shown = dict[str, Any]


@dataclass(frozen=True)
class Before:
    """What was known before a moment; everything when it is None."""

    moment: datetime | None

    @classmethod
    def end_of(cls, day: date | None) -> Before:
        """Before the end of a day of the city; the present day is now. Raises DayToCome."""
        city = the_catalogue().city
        today = city.day_of(clock.now())
        if day and day > today:
            raise DayToCome("That day has not come yet.", field="as_of")
        return cls(city.end_of(day) if day and day < today else None)

    def known(self, recorded_at: Column[datetime]) -> ColumnElement[bool]:
        return recorded_at < self.moment if self.moment else true()

    def there(self, added_at: Column[datetime], gone_at: Column[datetime]) -> ColumnElement[bool]:
        if self.moment is None:
            return gone_at.is_(None)
        return (added_at < self.moment) & or_(gone_at.is_(None), gone_at >= self.moment)


def get_file(session: Session, code: str, *, viewer: Viewer = EVERYTHING, as_of: date | None = None) -> Shown:
    """The whole file of a facility; with ``as_of`` as it was known when that day of the city ended.

    Whether the facility is the viewer's unit's is asked of the units that it names now.
    Raises UnknownFacility, DayToCome, and NotYetKnown when it came into the registry later.
    """
    facility, then = get_facility(session, code), Before.end_of(as_of)
    assert facility.id is not None
    registered = _as_known(session, facility, then.moment) if then.moment else facility
    may = viewer.before(facility)
    entries = {
        "documents": _newest(session, *_documents(facility.id, then)),
        "defects": _newest(session, *_defects(facility.id, then), seen_defects(session, facility, may)),
        "orders": _newest(session, *_orders(facility.id, then), seen_orders(facility, may)),
        "looks": _newest(session, *_looks(facility.id, then)),
        "history": _newest(session, *_history(facility.id, then), seen_deeds(session, facility, may)),
    }
    found = {name: [shown_to(may, each) for each in items] for name, (items, _) in entries.items()}
    if then.moment:
        _as_open_then(session, facility.id, found["defects"], then)
    return {
        **vars(registered),
        **_named(session, registered),
        **found,
        "measure": registered.measure,
        "defective": registered.defective,
        "as_of": as_of,
        "former_codes": _former_codes(session, facility.id, then),
        "left_out": {name: more for name, (_, more) in entries.items() if more},
    }


def _as_known(session: Session, facility: Facility, moment: datetime) -> Facility:
    then, its_id = all_as_of(moment), facility.id or 0
    row = session.execute(select(*then.c).where(then.c.id == its_id)).one_or_none()
    if row is None:
        raise NotYetKnown(f"{facility.code} came into the registry later{_known_on(session, its_id)}.", field="as_of")
    return Facility(**{**row._mapping, **registered_as_of(session, [its_id], moment)[its_id]})


def _known_on(session: Session, facility_id: int) -> str:
    deeds = facility_history.c
    first = session.scalar(
        select(deeds.recorded_at).where(deeds.facility_id == facility_id).order_by(deeds.id).limit(1)
    )
    return f", on {the_catalogue().city.day_of(first)}" if first else ""


def _newest(session: Session, query: Select[Any], by: Column[Any], seen: Where = NO_BOUND) -> tuple[list[Shown], int]:
    """The newest entries of those that are seen, and how many more there are."""
    query = query.where(*seen)
    rows = session.execute(query.order_by(by.desc()).limit(MOST)).all()
    total = len(rows)
    if total == MOST:
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    return [dict(row._mapping) for row in rows], total - len(rows)


def _documents(facility_id: int, then: Before) -> tuple[Select[Any], Column[Any]]:
    kept = facility_documents.c
    return select(*kept).where(kept.facility_id == facility_id, then.there(kept.added_at, kept.removed_at)), kept.id


def _defects(facility_id: int, then: Before) -> tuple[Select[Any], Column[Any]]:
    return (
        select(*defects.c).where(defects.c.facility_id == facility_id, then.known(defects.c.recorded_at)),
        defects.c.confirmed_at,
    )


def _orders(facility_id: int, then: Before) -> tuple[Select[Any], Column[Any]]:
    told = facility_orders.c
    newest = (
        select(told.number, func.max(told.revision).label("revision"))
        .where(told.facility_id == facility_id, then.known(told.recorded_at))
        .group_by(told.number)
        .subquery()
    )
    both = (told.number == newest.c.number) & (told.revision == newest.c.revision)
    return select(*told).join(newest, both), told.registered_at


def _looks(facility_id: int, then: Before) -> tuple[Select[Any], Column[Any]]:
    return select(*looks.c).where(
        looks.c.facility_id == facility_id, then.known(looks.c.recorded_at)
    ), looks.c.looked_at


def _history(facility_id: int, then: Before) -> tuple[Select[Any], Column[Any]]:
    deeds = facility_history.c
    return select(*deeds).where(deeds.facility_id == facility_id, then.known(deeds.recorded_at)), deeds.id


def _as_open_then(session: Session, facility_id: int, found: list[Shown], then: Before) -> None:
    """Give each defect the outcome that was known then; the life history tells it."""
    deeds = facility_history.c
    told = session.execute(
        select(*deeds)
        .where(deeds.facility_id == facility_id, deeds.what.in_(OUTCOMES), then.known(deeds.recorded_at))
        .order_by(deeds.id)
    )
    newest = {deed.details["finding_id"]: deed for deed in told}
    for defect in found:
        defect |= _outcome(newest.get(str(defect["finding_id"])))


def _outcome(deed: Row[Any] | None) -> Shown:
    if deed is None or deed.what == "defect_reopened":
        return {"open": True, "restored_reason": None, "restored_at": None}
    return {"open": False, "restored_reason": deed.details["reason"], "restored_at": deed.happened_at}


def _named(session: Session, facility: Facility) -> Shown:
    """The kind, the attributes and the units by their names; null where nobody gave one."""
    catalogue = the_catalogue()
    kind = catalogue.kinds.get(facility.kind)
    codes = {role: getattr(facility, role) for role in ROLES}
    wanted = {code for code in codes.values() if code}
    known = {row.code: row for row in session.execute(select(units).where(units.c.code.in_(wanted)))}
    return {
        "kind": {"slug": facility.kind, "en": kind and kind.en, "zh": kind and kind.zh},
        "attributes": _attributes(catalogue.attributes_of(facility.kind), facility.attributes),
        "units": {role: _unit(code, known.get(code)) for role, code in codes.items() if code},
    }


def _attributes(known: Mapping[str, Attribute], values: Mapping[str, Any]) -> list[Shown]:
    """Those of the catalogue in its order, then the others."""
    slugs = [*(slug for slug in known if slug in values), *(slug for slug in values if slug not in known)]
    return [{"slug": slug, "value": values[slug], **_attribute(known.get(slug), values[slug])} for slug in slugs]


def _attribute(known: Attribute | None, value: Any) -> Shown:
    if known is None:
        return dict.fromkeys(("en", "zh", "unit", "value_en", "value_zh"))
    chosen = known.values.get(value) if isinstance(value, str) else None
    return {
        "en": known.en,
        "zh": known.zh,
        "unit": known.unit,
        "value_en": chosen and chosen.en,
        "value_zh": chosen and chosen.zh,
    }


def _unit(code: str, known: Row[Any] | None) -> Shown:
    return {"code": code, "name": known and known.name, "name_zh": known and known.name_zh}


def _former_codes(session: Session, facility_id: int, then: Before) -> list[str]:
    given_up = former_codes.c
    return list(
        session.scalars(
            select(given_up.code)
            .where(given_up.facility_id == facility_id, then.known(given_up.given_up_at))
            .order_by(given_up.given_up_at)
        )
    )


def list_documents(session: Session, code: str, *, viewer: Viewer = EVERYTHING) -> list[Shown]:
    """What the facility's file holds, the newest first."""
    kept, facility = facility_documents.c, get_facility(session, code)
    mine = select(*kept).where(kept.facility_id == facility.id, kept.removed_at.is_(None)).order_by(kept.id.desc())
    may = viewer.before(facility)
    return [shown_to(may, dict(row._mapping)) for row in session.execute(mine)]


def find_document(session: Session, facility_id: int, sha256: str) -> Document | None:
    """A document that the facility's file holds."""
    kept = facility_documents.c
    same = (kept.facility_id == facility_id, kept.sha256 == sha256, kept.removed_at.is_(None))
    return session.scalar(select(Document).where(*same))


def get_document(session: Session, facility_id: int, sha256: str) -> Document:
    """A document that the facility's file holds. Raises UnknownDocument."""
    if (found := find_document(session, facility_id, sha256)) is None:
        raise UnknownDocument("The file holds no document with this SHA-256.")
    return found
