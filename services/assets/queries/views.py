"""Narrows what hangs on a facility to what a viewer may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.orm import Session

from services.assets.domain.facilities import Facility
from services.assets.domain.viewers import Of, Viewer
from services.assets.tables import defects, facility_history, facility_orders
from shared.events.inspections import mark_of

OF_FINDINGS = ("defect_recorded", "defect_restored", "defect_reopened", "defect_merged")
Where = list[ColumnElement[bool]]


def seen_defects(session: Session, facility: Facility, viewer: Viewer) -> Where:
    """What a defect must fulfil to be seen: what the finding behind it must."""
    if viewer.findings is Of.ALL:
        return []
    return [defects.c.finding_id.in_(_own_findings(session, facility, viewer))]


def seen_orders(facility: Facility, viewer: Viewer) -> Where:
    """What a row about an order must fulfil: a crew sees those that it has now, whoever had them then."""
    if viewer.orders is Of.ALL:
        return []
    if viewer.orders is Of.NOBODY:
        return [false()]
    told = facility_orders.c
    newest = func.row_number().over(partition_by=told.number, order_by=told.revision.desc()).label("age")
    aged = select(told.number, told.crew, newest).where(told.facility_id == facility.id).subquery()
    return [told.number.in_(select(aged.c.number).where(aged.c.age == 1, aged.c.crew == viewer.crew))]


def seen_deeds(session: Session, facility: Facility, viewer: Viewer) -> Where:
    """What a deed of the life history must fulfil: those that tell of findings need the finding to be seen."""
    if viewer.findings is Of.ALL:
        return []
    deeds = facility_history.c
    own = [str(each) for each in _own_findings(session, facility, viewer)]
    return [deeds.what.not_in(OF_FINDINGS) | deeds.details["finding_id"].as_string().in_(own)]


def _own_findings(session: Session, facility: Facility, viewer: Viewer) -> list[UUID]:
    if viewer.findings is Of.NOBODY:
        return []
    marked = select(defects.c.finding_id, defects.c.reporter_mark).where(defects.c.facility_id == facility.id)
    return [key for key, mark in session.execute(marked) if mark == mark_of(key, viewer.name)]


def shown_to(viewer: Viewer, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without the names of staff, and without the numbers of checks and orders, for whom these are not."""
    shown = dict(entry)
    if not viewer.people and "who" in shown:
        shown["who"] = None
    if viewer.orders is not Of.ALL and "looked_at" in shown:
        shown["source"] = shown["source"].partition("/")[0]
    return shown
