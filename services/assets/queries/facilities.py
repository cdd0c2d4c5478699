"""What happened to a facility."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from services.assets.domain.viewers import EVERYTHING, Viewer
from services.assets.queries.codes import get_facility
from services.assets.queries.views import seen_deeds, shown_to
from services.assets.tables import facility_history
from shared.paging import Page, page


def list_history(
    session: Session, code: str, *, viewer: Viewer = EVERYTHING, limit: int, cursor: str | None = None
) -> Page:
    """The life of a facility, oldest first: who did what, when it happened and when we knew."""
    facility = get_facility(session, code)
    may, deeds = viewer.before(facility), facility_history.c
    query = select(*deeds).where(deeds.facility_id == facility.id, *seen_deeds(session, facility, may))
    return page(session, query, [deeds.id], limit=limit, cursor=cursor, make=lambda row: _shown(may, row))


def _shown(may: Viewer, deed: Row[Any]) -> Any:
    return deed if may.people else shown_to(may, dict(deed._mapping))
