"""Areas of all levels."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, false, func, select
from sqlalchemy.orm import Session

from services.assets.domain.areas import Level, UnknownArea
from services.assets.queries.named_areas import areas_naming_nothing
from services.assets.tables import areas
from shared.paging import Page, page


def list_areas(
    session: Session,
    *,
    level: Level,
    limit: int,
    cursor: str | None = None,
    naming_nothing: bool | None = None,
    **only: str | None,
) -> Page:
    """Areas of a level by code. ``only``: district, parent. ``naming_nothing``: those that name one that is none."""
    wanted = [areas.c[name] == value for name, value in only.items() if value is not None]
    if naming_nothing is not None:
        hanging = areas_naming_nothing(level)
        wanted.append(hanging if naming_nothing else ~func.coalesce(hanging, false()))
    query = select(*areas.c).where(areas.c.level == level.value, *wanted)
    return page(session, query, [areas.c.code], limit=limit, cursor=cursor)


def get_area(session: Session, *, level: Level, code: str) -> Row[Any]:
    """Raises UnknownArea."""
    query = select(*areas.c).where(areas.c.level == level.value, areas.c.code == code)
    found = session.execute(query).one_or_none()
    if found is None:
        raise UnknownArea(f"There is no {level} {code!r}.")
    return found
