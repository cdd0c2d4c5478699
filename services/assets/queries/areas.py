"""Districts and grid cells."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level
from services.assets.tables import areas
from shared.paging import Page, page


def list_areas(session: Session, *, level: Level, limit: int, cursor: str | None = None) -> Page:
    """Districts or grid cells by code."""
    query = select(*areas.c).where(areas.c.level == level.value)
    return page(session, query, [areas.c.code], limit=limit, cursor=cursor)
