"""Copies of what assets keeps: its newest revision, in whatever order the events come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.catalogue import Catalogue
from services.workorders.domain.orders import Order
from services.workorders.domain.places import DISTRICT, UnitNotKnown, UnknownDistrict
from shared.db import insert_new
from shared.events import Event
from shared.events.assets import AreaChanged, CataloguePublished, FacilityRenumbered, UnitChanged
from shared.lists import codes


def keep_catalogue(session: Session, events: Sequence[CataloguePublished]) -> None:
    """Keep the newest revision of each catalogue."""
    for event in sorted(events, key=lambda each: (each.name, each.revision)):
        mine = session.get(Catalogue, event.name, with_for_update=True)
        if mine is None:
            session.add(Catalogue(name=event.name, revision=event.revision, content=event.catalogue))
            session.flush()
        elif mine.revision < event.revision:
            mine.revision, mine.content = event.revision, event.catalogue


def keep_areas(session: Session, events: Sequence[AreaChanged]) -> None:
    """Keep the newest revision of each area."""
    _keep(session, tables.areas, events)


def keep_codes(session: Session, events: Sequence[FacilityRenumbered]) -> None:
    """Keep which codes facilities gave up; their orders have the new one. That is no move, and no revision."""
    now = codes.keep_codes(session, tables.former_codes, events)
    orders = tables.work_orders.c
    wanted = select(Order).where(orders.facility_code.in_(now)).order_by(orders.id).with_for_update()
    for order in session.scalars(wanted).all():
        order.renumber(now[order.facility_code or ""])


def keep_units(session: Session, events: Sequence[UnitChanged]) -> None:
    """Keep the newest revision of each unit."""
    _keep(session, tables.units, events)


def _keep(session: Session, table: Table, events: Sequence[Event]) -> None:
    """Rows are touched in the order of their keys, so that two batches never wait for each other in a circle."""
    rows = [{column.key: getattr(event, column.key) for column in table.c} for event in events]
    keys = list(table.primary_key)
    for row in sorted(rows, key=lambda each: [*(each[key.key] for key in keys), each["revision"]]):
        if not insert_new(session, table, [row], keys[0]):
            mine = [key == row[key.key] for key in keys]
            session.execute(table.update().where(*mine, table.c.revision < row["revision"]).values(row))


def check_districts(session: Session, codes: Collection[str], field: str) -> None:
    """Raises UnknownDistrict for one that the city does not have, once it has told us of any."""
    if not codes:
        return
    districts = select(tables.areas.c.code).where(tables.areas.c.level == DISTRICT)
    known = set(session.scalars(districts.where(tables.areas.c.code.in_(codes))))
    unknown = sorted(set(codes) - known)
    if unknown and (known or session.scalar(districts.limit(1)) is not None):
        raise UnknownDistrict(f"There is no district {unknown[0]}.", field=field)


def check_unit(session: Session, code: str | None) -> None:
    """Raises UnitNotKnown for one that the city does not have, once it has told us of any."""
    known = session.scalars(select(tables.units.c.code)).all() if code is not None else []
    if known and code not in known:
        raise UnitNotKnown(f"There is no unit {code}.", field="unit")
