"""The figures of inspections that metrics show, and their recount from the facts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.inspections.tables import findings
from services.inspections.use_cases import FINDINGS
from shared import tallies
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
