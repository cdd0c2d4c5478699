"""One facility, many facilities, and what happened to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.facilities import Condition, Facility, UnknownFacility
from services.assets.domain.searching import sought
from services.assets.queries.places import in_box
from services.assets.tables import facilities, facility_history
from shared.paging import Page, page

Box = tuple[float, float, float, float]


def get_facility(session: Session, code: str) -> Facility:
    """A facility by its code. Raises UnknownFacility."""
    found = session.scalar(select(Facility).where(facilities.c.code == code))
    if found is None:
        raise UnknownFacility(f"There is no facility {code!r}.")
    return found


def list_facilities(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    bbox: Box | None = None,
    near: tuple[float, float, float] | None = None,
    q: str | None = None,
    **same: str | None,
) -> Page:
    """Facilities by code; with ``near`` (longitude, latitude, metres) the nearest first, on one page.

    ``same``: kind, district, grid, condition, maintainer. Retired ones are left out unless they are asked for.
    """
    query = select(*facilities.c).where(*(facilities.c[name] == value for name, value in same.items() if value))
    if not same.get("condition"):
        query = query.where(facilities.c.condition != Condition.RETIRED.value)
    if q:
        query = query.where(facilities.c.search.contains(sought(q), autoescape=True))
    if bbox is not None:
        query = query.where(*in_box(bbox))
    if near is not None:
        return Page(_nearest(session, query, *near, limit))
    return page(session, query, [facilities.c.code], limit=limit, cursor=cursor, make=_as_facility)


def _as_facility(row: Row[Any]) -> Facility:
    return Facility(**row._mapping)


def _nearest(
    session: Session, query: Select[Any], longitude: float, latitude: float, radius_m: float, limit: int
) -> list[Facility]:
    rows = session.execute(query.where(*in_box(geo.box_around(longitude, latitude, radius_m))))
    reach = [(geo.metres_from(row.geometry, longitude, latitude), row.code, row) for row in rows]
    nearest = sorted((each for each in reach if each[0] <= radius_m), key=lambda each: each[:2])
    return [_as_facility(row) for _, _, row in nearest[:limit]]


def list_history(session: Session, code: str, *, limit: int, cursor: str | None = None) -> Page:
    """The life of a facility, oldest first: who did what, when it happened and when we knew."""
    facility = get_facility(session, code)
    query = select(*facility_history.c).where(facility_history.c.facility_id == facility.id)
    return page(session, query, [facility_history.c.id], limit=limit, cursor=cursor)
