"""What everybody may know of a facility: what it is, where, and how it stands. Nothing of people, orders or units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level
from services.assets.domain.catalogue import Category, Kind, the_catalogue
from services.assets.domain.facilities import IN_SERVICE, Condition, Facility
from services.assets.queries.codes import get_facility
from services.assets.tables import areas, defects, facility_history

# What brings a facility into a condition; the last such deed is since when it is in it.
BEGINS = {
    Condition.INTACT: ("registered", "returned_to_service", "defect_restored"),
    Condition.OUT_OF_SERVICE: ("put_out_of_service",),
    Condition.RETIRED: ("retired",),
}


@dataclass(frozen=True)
class Face:
    """A facility as passers-by see it. ``defects``: the categories of those that are known and open.

    ``condition`` is ``defective`` where any defect is open, also one that leaves the facility in the rates. ``since``
    is a day where nothing closer is known, and None where nothing is.
    """

    facility: Facility
    kind: Kind | None
    district: str | None
    street: str | None
    condition: Condition
    since: datetime | date | None
    defects: list[Category]


def show_to_public(session: Session, code: str) -> Face:
    """The facility that has a code, or had it. Raises UnknownFacility."""
    facility = get_facility(session, code)
    categories, known_since = _open_defects(session, facility)
    condition = Condition(facility.condition)
    if condition in IN_SERVICE:
        condition = Condition.DEFECTIVE if categories else Condition.INTACT
    return Face(
        facility=facility,
        kind=the_catalogue().kinds.get(facility.kind),
        district=_name(session, Level.DISTRICT, facility.district),
        street=_name(session, Level.STREET, facility.street),
        condition=condition,
        since=known_since if condition is Condition.DEFECTIVE else _since(session, facility, condition),
        defects=categories if condition is Condition.DEFECTIVE else [],
    )


def _open_defects(session: Session, facility: Facility) -> tuple[list[Category], datetime | None]:
    """Their categories, each once, in the order in which they became known; since when the first one is."""
    wanted = select(defects.c.category, func.min(defects.c.confirmed_at)).group_by(defects.c.category)
    found = session.execute(wanted.where(defects.c.facility_id == facility.id, defects.c.open == true())).all()
    in_order = sorted(found, key=lambda row: row[1])
    return [the_catalogue().category(row[0]) for row in in_order], in_order[0][1] if in_order else None


def _since(session: Session, facility: Facility, condition: Condition) -> datetime | date | None:
    if condition is Condition.RETIRED and facility.retired_on:
        return facility.retired_on
    deeds = facility_history.c
    begun = (deeds.facility_id == facility.id, deeds.what.in_(BEGINS[condition]))
    at: datetime | None = session.scalar(select(func.max(deeds.happened_at)).where(*begun))
    return at


def _name(session: Session, level: Level, code: str | None) -> str | None:
    """What people call an area; its code where the city has drawn none, or the street's own name."""
    named = select(areas.c.name).where(areas.c.level == level.value, areas.c.code == code)
    return (session.scalar(named) or code) if code else None
