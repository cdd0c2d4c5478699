"""The figures of inspections that metrics show, and their recount from the facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from prometheus_client.core import CounterMetricFamily, Metric
from sqlalchemy import Select, case, func, select, update
from sqlalchemy.orm import Session

from services.inspections.domain.findings import OPEN
from services.inspections.tables import finding_moves, findings, light_check_lamps, light_checks
from services.inspections.use_cases import FINDINGS
from shared import tallies
from shared.proofs import Keys, Proof
from shared.tallies import Sums


def collect(session: Session) -> Iterator[Metric]:
    """``waywarden_findings_total``: every finding that ever arrived, merged and rejected ones too."""
    total = CounterMetricFamily("waywarden_findings", "Findings that arrived.", labels=["source", "category"])
    for labels, count in sorted(tallies.read(session, FINDINGS).items()):
        total.add_metric(labels, count)
    yield total


def recount(session: Session) -> dict[str, Sums]:
    """The tallies as the findings themselves have them."""
    by = findings.c.source, findings.c.category
    rows = session.execute(select(*by, func.count()).group_by(*by))
    return {FINDINGS: {(source, category): count for source, category, count in rows}}


# --- rows that follow from others

moves = finding_moves.c


def findings_astray(session: Session, ids: Keys) -> set[UUID]:
    """Findings that are not where their last move left them, or that hold the slot of a facility though they ended."""
    rows = _moved(ids).where(findings.c.state != moves.state)
    ended = select(findings.c.id).where(findings.c.id.in_(ids), findings.c.state.not_in(OPEN), HOLDING)
    return {row.id for row in session.execute(rows)} | set(session.scalars(ended))


def follow_moves_anew(session: Session, ids: Keys) -> None:
    session.execute(select(findings.c.id).where(findings.c.id.in_(ids)).order_by(findings.c.id).with_for_update())
    for row in session.execute(_moved(ids)).all():
        new = {"state": row.state, "revision": row.revision + 1}
        session.execute(update(findings).where(findings.c.id == row.id).values(new))
    ended = findings.c.id.in_(ids), findings.c.state.not_in(OPEN)
    session.execute(update(findings).where(*ended).values(slot=None))


def _moved(ids: Keys) -> Select[Any]:
    columns = select(*findings.c["id", "revision"], moves.state)
    last = select(func.max(moves.id)).where(moves.finding_id.in_(ids)).group_by(moves.finding_id)
    return columns.join_from(findings, finding_moves, moves.finding_id == findings.c.id).where(moves.id.in_(last))


def checks_astray(session: Session, ids: Keys) -> set[UUID]:
    """Lighting checks whose counts are not those of the lamps that they looked at."""
    return {row.id for row in session.execute(_counted(ids)) if row[1:3] != row[3:5]}


def count_anew(session: Session, ids: Keys) -> None:
    for row in session.execute(_counted(ids)).all():
        new = {"lamps_checked": row[3], "lamps_lit": row[4]}
        session.execute(update(light_checks).where(light_checks.c.id == row.id).values(new))


def _counted(ids: Keys) -> Select[Any]:
    lit = func.coalesce(func.sum(case((light_check_lamps.c.lit, 1), else_=0)), 0)
    columns = light_checks.c["id", "lamps_checked", "lamps_lit"]
    looks = select(*columns, func.count(light_check_lamps.c.check_id), lit).outerjoin_from(
        light_checks, light_check_lamps
    )
    return looks.where(light_checks.c.id.in_(ids)).group_by(*columns)


HOLDING = findings.c.slot.is_not(None)
PROOFS = (
    Proof("findings", findings.c.id, findings_astray, follow_moves_anew),
    Proof("lighting checks", light_checks.c.id, checks_astray, count_anew),
)
