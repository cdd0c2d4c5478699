"""One facility, many facilities, and what happened to them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.facilities import Facility, UnknownFacility
from services.assets.tables import facilities, facility_history
from shared.paging import Page, page

Box = tuple[float, float, float, float]


def get_facility(session: Session, code: str) -> Facility:
    """A facility by its code. Raises UnknownFacility."""
    found = session.scalar(select(Facility).where(facilities.c.code == code))
    if found is None:
        raise UnknownFacility(f"There is no facility {code!r}.")
    return found


def list_history(session: Session, code: str, *, limit: int, cursor: str | None = None) -> Page:
    """The life of a facility, oldest first: who did what, when it happened and when we knew."""
    facility = get_facility(session, code)
    query = select(*facility_history.c).where(facility_history.c.facility_id == facility.id)
    return page(session, query, [facility_history.c.id], limit=limit, cursor=cursor)
