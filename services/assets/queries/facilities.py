"""What happened to a facility."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.queries.codes import get_facility
from services.assets.tables import facility_history
from shared.paging import Page, page


def list_history(session: Session, code: str, *, limit: int, cursor: str | None = None) -> Page:
    """The life of a facility, oldest first: who did what, when it happened and when we knew."""
    facility = get_facility(session, code)
    query = select(*facility_history.c).where(facility_history.c.facility_id == facility.id)
    return page(session, query, [facility_history.c.id], limit=limit, cursor=cursor)
