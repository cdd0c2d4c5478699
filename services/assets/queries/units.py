"""Units."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from services.assets.domain.units import UnknownUnit
from services.assets.tables import units
from shared.paging import Page, page


def list_units(session: Session, *, limit: int, cursor: str | None = None) -> Page:
    """Units by code."""
    return page(session, select(*units.c), [units.c.code], limit=limit, cursor=cursor)


def get_unit(session: Session, code: str) -> Row[Any]:
    """Raises UnknownUnit."""
    found = session.execute(select(*units.c).where(units.c.code == code)).one_or_none()
    if found is None:
        raise UnknownUnit(f"There is no unit {code!r}.")
    return found
