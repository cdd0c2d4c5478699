"""What one can ask of inspections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Pool, Select, or_, select
from sqlalchemy.orm import Session

from services.inspections.domain.findings import ALL, UNITS, Finding, Sight, Standing, UnknownFinding
from services.inspections.domain.light_checks import LightCheck, UnknownLightCheck
from services.inspections.domain.places import Area, City
from services.inspections.domain.rulebook import Rulebook, Source, read_categories
from services.inspections.tables import (
    areas,
    catalogue_copies,
    finding_moves,
    finding_sources,
    findings,
    light_checks,
)
from shared.paging import Page, page

CATALOGUE = "catalogue"
BY_REPORT = [findings.c.reported_at, findings.c.id]
FRESH_S = 2.0  # how long a report is judged by the rulebook that this process has read

_read: WeakKeyDictionary[Pool, tuple[float, Rulebook]] = WeakKeyDictionary()  # by database


def rulebook(session: Session) -> Rulebook:
    """The rules that reports are judged by, at most FRESH_S seconds old."""
    pool = session.connection().engine.pool
    until, book = _read.get(pool, (0.0, None))
    if book is None or time.monotonic() > until:
        book = _read_rulebook(session)
        _read[pool] = time.monotonic() + FRESH_S, book
    return book


def forget_rulebook(session: Session) -> None:
    """Read it anew the next time: it is about to change."""
    _read.pop(session.connection().engine.pool, None)


def _read_rulebook(session: Session) -> Rulebook:
    copies = session.execute(select(catalogue_copies.c.catalogue).order_by(catalogue_copies.c.name)).scalars()
    catalogue = next(iter(copies), None)
    rows = session.execute(select(finding_sources))
    return Rulebook(
        categories=None if catalogue is None else read_categories(catalogue),
        sources={row.source: Source(**row._mapping) for row in rows},
        bounds=tuple((catalogue or {}).get("city", {}).get("bounds", ())) or None,
    )


def the_city(session: Session) -> City:
    """Where the city lies, as far as we have been told."""
    return City(rulebook(session).bounds, session.scalars(select(Area).order_by(areas.c.code)))


def find_findings(
    session: Session, *, sight: Sight, filters: Mapping[str, Any], limit: int, cursor: str | None
) -> Page:
    """Findings in the order of their reporting, as far as ``sight`` goes."""
    wanted = _filtered(select(findings).where(*seen(sight)), filters)
    found = page(session, wanted, BY_REPORT, limit=limit, cursor=cursor, make=lambda row: Finding(**row._mapping))
    tell_standing(session, found.items)
    return found


def _filtered(wanted: Select[Any], filters: Mapping[str, Any]) -> Select[Any]:
    for name in ("state", "category", "source", "place_check"):
        if filters.get(name) is not None:
            wanted = wanted.where(findings.c[name] == filters[name])
    if (code := filters.get("facility_code")) is not None:
        wanted = wanted.where(or_(findings.c.facility_code == code, findings.c.linked_code == code))
    return wanted


def tell_standing(session: Session, found: Iterable[Finding]) -> None:
    """Let merged findings say how the one stands that stands for them: their reporters may not see that one itself."""
    merged = [each for each in found if each.merged_into]
    columns = findings.c["id", "state", "confirmed_at", "ended_at", "reason", "order_number"]
    wanted = select(*columns).where(findings.c.id.in_({each.merged_into for each in merged}))
    standing = {row.id: Standing(*row) for row in session.execute(wanted)} if merged else {}
    for each in merged:
        each.standing = standing.get(each.merged_into)


def seen(sight: Sight) -> list[ColumnElement[bool]]:
    """What a finding must fulfil to be within this sight."""
    if sight.reporter is None:
        return []
    own = findings.c.reporter == sight.reporter
    if sight.unit is None:
        return [own]
    return [or_(own, *(findings.c[role] == sight.unit for role in UNITS))]


def get_finding(session: Session, finding_id: UUID, *, sight: Sight = ALL) -> Finding:
    """One finding. Raises UnknownFinding, also beyond ``sight``: that it is there is not theirs to know."""
    finding = session.scalars(select(Finding).where(findings.c.id == finding_id, *seen(sight))).first()
    if finding is None:
        raise unknown(session, finding_id)
    tell_standing(session, [finding])
    return finding


def unknown(session: Session, finding_id: UUID) -> UnknownFinding:
    """What is said of a finding that is not there, or not for the caller."""
    there = session.scalar(select(findings.c.id).where(findings.c.id == finding_id)) is not None
    return UnknownFinding(f"There is no finding {finding_id}.").but_there(there)


def find_moves(session: Session, finding_id: UUID, *, sight: Sight, limit: int, cursor: str | None) -> Page:
    """The moves that a finding made after it arrived, oldest first. Raises as ``get_finding`` does."""
    get_finding(session, finding_id, sight=sight)
    wanted = select(finding_moves).where(finding_moves.c.finding_id == finding_id)
    return page(session, wanted, [finding_moves.c.id], limit=limit, cursor=cursor)


def find_sources(session: Session, *, limit: int, cursor: str | None) -> Page:
    """The sources of findings by name."""
    return page(session, select(finding_sources), [finding_sources.c.source], limit=limit, cursor=cursor)


def find_light_checks(session: Session, *, sight: Sight, limit: int, cursor: str | None) -> Page:
    """Lighting checks in the order of their arrival."""
    wanted = select(light_checks)
    if sight.reporter is not None:  # a check is of lamps of several units, and so of none
        wanted = wanted.where(light_checks.c.inspector == sight.reporter)
    by = [light_checks.c.recorded_at, light_checks.c.id]
    make = lambda row: LightCheck(**row._mapping, lamps=[])  # noqa: E731
    return page(session, wanted, by, limit=limit, cursor=cursor, make=make)


def get_light_check(session: Session, check_id: UUID, *, sight: Sight = ALL) -> LightCheck:
    """One lighting check. Raises UnknownLightCheck, also beyond ``sight``."""
    check = session.get(LightCheck, check_id)
    if check is None or sight.reporter not in (None, check.inspector):
        raise UnknownLightCheck(f"There is no lighting check {check_id}.").but_there(check is not None)
    return check


def find_holders(session: Session, slots: Iterable[str]) -> dict[str, UUID]:
    """The open findings that hold these slots."""
    wanted = select(findings.c.slot, findings.c.id).where(findings.c.slot.in_(sorted(slots)))
    return {row.slot: row.id for row in session.execute(wanted)}
