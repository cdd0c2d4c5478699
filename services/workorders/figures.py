"""What the metrics show of work orders. Counts by state are kept as orders move; lateness is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.orders import DONE_WITH, UNDISPOSED
from services.workorders.use_cases.proofs import PROOFS as PROOFS
from services.workorders.use_cases.telling import ORDERS_BY_STATE
from shared import clock, tallies
from shared.tallies import Sums

orders = tables.work_orders.c


def collect(session: Session) -> Iterator[Metric]:
    by_state = GaugeMetricFamily(
        "waywarden_work_orders", "Work orders by state.", labels=("state", "category", "district")
    )
    for labels, amount in tallies.read(session, ORDERS_BY_STATE).items():
        by_state.add_metric(labels, amount)
    yield by_state
    late = GaugeMetricFamily(
        "waywarden_work_orders_overdue", "Work orders not disposed by their due time.", labels=("category", "district")
    )
    for labels, amount in count_overdue(session).items():
        late.add_metric(labels, amount)
    yield late
    left = GaugeMetricFamily(
        "waywarden_alerts_without_open_order",
        "Alerts that stand, whose order is completed, closed or void.",
        labels=("state", "district"),
    )
    for labels, amount in count_left(session).items():
        left.add_metric(labels, amount)
    yield left


def recount(session: Session) -> dict[str, Sums]:
    """Count the orders themselves, which the sums must equal."""
    groups = (orders.state, orders.category, orders.district)
    rows = session.execute(select(*groups, func.count()).group_by(*groups))
    return {ORDERS_BY_STATE: {(state.value, category, district or ""): n for state, category, district, n in rows}}


def count_left(session: Session) -> Sums:
    groups = (orders.state, orders.district)
    left = select(*groups, func.count()).where(orders.alert_active, orders.state.in_(DONE_WITH))
    return {(state.value, district or ""): n for state, district, n in session.execute(left.group_by(*groups))}


def count_overdue(session: Session) -> Sums:
    groups = (orders.category, orders.district)
    late = select(*groups, func.count()).where(orders.state.in_(UNDISPOSED), orders.due_at < clock.now())
    return {(category, district or ""): n for category, district, n in session.execute(late.group_by(*groups))}
