"""What Prometheus reads: process counters, the kernel's state, and each service's figures from its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from deploy.readiness import OK, SILENT, Readiness
from shared import clock, inbox, logs
from shared.db import Database
from shared.metrics import gauge
from shared.outbox import outbox

log = logs.get(__name__)
Collect = Callable[[Session], Iterator[Metric]]


def exposition(databases: dict[str, Database], figures: dict[str, Collect], readiness: Readiness) -> bytes:
    """The text format of all that this process and its services' databases know; what fails is missing alone."""
    shown: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in KERNEL}
    texts = [generate_latest(REGISTRY)]
    for service, database in databases.items():
        state = readiness.state(service)
        found: dict[str, float] = {UP: 0.0, WRITABLE: float(state == OK)}
        if state != SILENT:  # nobody waits for it once more
            texts += _look(service, database, figures[service], found)
        for name, value in found.items():
            shown[name][(service,)] = value
    return b"".join([*texts, *(_text(gauge(name, KERNEL[name], ["service"], shown[name])) for name in KERNEL)])


def _look(service: str, database: Database, collect: Collect, found: dict[str, float]) -> list[bytes]:
    """Fills in what the kernel knows, and answers the service's figures, as far as there are any."""
    texts: list[bytes] = []
    try:
        with database.read(quick=True) as session:
            found |= _kernel_state(session)
            for family in collect(session):
                texts.append(_text(family))
    except Exception as wrong:
        log.warning("figures are missing", service=service, error=repr(wrong))
    return texts


def _text(family: Metric) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(family))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, family: Metric) -> None:
        self.family = family

    def collect(self) -> Iterator[Metric]:
        yield self.family


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
