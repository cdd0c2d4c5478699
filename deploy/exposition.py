"""What Prometheus reads: process counters, the kernel's state, and each service's figures from its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from deploy.readiness import OK, SILENT, Readiness
from shared import clock, inbox, logs
from shared.db import Database
from shared.metrics import gauge
from shared.outbox import outbox

log = logs.get(__name__)
Collect = Callable[[Session], Iterator[Metric]]


def exposition(databases: dict[str, Database], figures: dict[str, Collect], readiness: Readiness) -> bytes:
    """The text format of all that this process and its services' databases know."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(databases, figures, {name: readiness.state(name) for name in databases}))
    return generate_latest(REGISTRY) + generate_latest(registry)


class _Collected(Collector):
    def __init__(self, databases: dict[str, Database], figures: dict[str, Collect], states: dict[str, str]) -> None:
        self.databases, self.figures, self.states = databases, figures, states

    def collect(self) -> Iterator[Metric]:
        """A database that does not answer takes its own figures with it, and nothing else."""
        shown: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in KERNEL}
        for service, state in self.states.items():
            found, families = self._look(service)
            yield from families
            for name, value in (found | {WRITABLE: float(state == OK)}).items():
                shown[name][(service,)] = value
        for name, values in shown.items():
            yield gauge(name, KERNEL[name], ["service"], values)

    def _look(self, service: str) -> tuple[dict[str, float], list[Metric]]:
        if self.states[service] == SILENT:
            return {UP: 0.0}, []  # nobody waits for it once more
        try:
            with self.databases[service].read(quick=True) as session:
                return _kernel_state(session), list(self.figures[service](session))
        except SQLAlchemyError as down:
            log.warning("no figures", service=service, error=repr(down))
            return {UP: 0.0}, []


UP, WRITABLE = "waywarden_database_up", "waywarden_database_writable"
STATE = {
    UP: "Whether the service's database answered this scrape: 1 or 0.",
    "waywarden_outbox_pending": "Events that are not yet published.",
    "waywarden_outbox_oldest_seconds": "Age of the oldest event that is not yet published; 0 when there is none.",
    "waywarden_retries": "Parked events that wait for another try.",
    "waywarden_dead_letters": "Events that used up their tries.",
}
KERNEL = STATE | {WRITABLE: "Whether the database took a write lately."}


def _kernel_state(session: Session) -> dict[str, float]:
    pending, oldest = session.execute(
        select(func.count(), func.min(outbox.c.recorded_at)).where(outbox.c.published_at.is_(None))
    ).one()
    waiting, dead = inbox.counts(session)
    age = (clock.now() - oldest).total_seconds() if oldest else 0.0
    return dict(zip(STATE, (1.0, pending, age, waiting, dead), strict=True))
