"""Registering units and changing them. Facilities may name units that are not registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.assets.domain.units import UnitTaken, UnknownUnit
from services.assets.tables import units
from shared import clock, outbox
from shared.db import insert_new
from shared.errors import expect
from shared.events.assets import UnitChanged


def add_unit(session: Session, **described: Any) -> Mapping[str, Any]:
    """Register a unit. Raises UnitTaken."""
    unit = {**described, "revision": 1, "recorded_at": clock.now()}
    if not insert_new(session, units, [unit], units.c.code):
        raise UnitTaken(f"There is a unit {unit['code']!r} already.", field="code")
    return _told(session, unit)


def change_unit(session: Session, code: str, *, changes: Mapping[str, Any], expected: int | None) -> Mapping[str, Any]:
    """Change a unit's names or roles. Raises UnknownUnit, Stale."""
    row = session.execute(select(*units.c).where(units.c.code == code).with_for_update()).one_or_none()
    if row is None:
        raise UnknownUnit(f"There is no unit {code!r}.")
    expect(row.revision, expected)
    unit = {**row._mapping, **changes, "revision": row.revision + 1, "recorded_at": clock.now()}
    session.execute(update(units).where(units.c.code == code).values(unit))
    return _told(session, unit)


def tell_units(session: Session) -> None:
    """Say again what the units are."""
    for row in session.execute(select(*units.c).order_by(units.c.code)):
        _told(session, dict(row._mapping))


def _told(session: Session, unit: Mapping[str, Any]) -> Mapping[str, Any]:
    said = {name: unit[name] for name in ("code", "name", "name_zh", "roles", "revision", "recorded_at")}
    outbox.record(session, UnitChanged(**said, happened_at=unit["recorded_at"]))
    return unit
