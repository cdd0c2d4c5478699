"""What Prometheus reads: process counters, the kernel's state, and each service's figures from its database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from nameko.extensions import DependencyProvider
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared import clock, inbox, logs
from shared.db import Database
from shared.outbox import outbox

SECONDS = Histogram(
    "waywarden_entrypoint_duration_seconds", "Time in a request or a batch of events.", ["service", "entrypoint"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
FAILURES = Counter("waywarden_entrypoint_failures", "Requests and batches that failed.", ["service", "entrypoint"])

Collect = Callable[[Session], Iterator[Metric]]


class Metrics(DependencyProvider):  # type: ignore[misc]
    """Times every entrypoint, counts its failures and gives its log lines their context, without touching its code."""

    def setup(self) -> None:
        self.began: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def worker_setup(self, worker_ctx: Any) -> None:
        self.began[worker_ctx] = time.perf_counter()
        logs.bind(service=worker_ctx.service_name, **worker_ctx.data)

    def worker_result(self, worker_ctx: Any, result: Any = None, exc_info: Any = None) -> None:
        labels = worker_ctx.service_name, worker_ctx.entrypoint.method_name
        SECONDS.labels(*labels).observe(time.perf_counter() - self.began.pop(worker_ctx, time.perf_counter()))
        if exc_info:
            FAILURES.labels(*labels).inc()


def gauge(name: str, help: str, labels: Sequence[str], values: dict[tuple[str, ...], float]) -> GaugeMetricFamily:
    """A gauge with a value for each combination of labels."""
    family = GaugeMetricFamily(name, help, labels=labels)
    for key, value in values.items():
        family.add_metric([each or "" for each in key], value)
    return family


def exposition(databases: dict[str, Database], figures: dict[str, Collect]) -> bytes:
    """The text format of all that this process and its services' databases know."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(databases, figures))  # type: ignore[arg-type]
    return generate_latest(REGISTRY) + generate_latest(registry)


class _Collected:
    def __init__(self, databases: dict[str, Database], figures: dict[str, Collect]) -> None:
        self.databases, self.figures = databases, figures

    def collect(self) -> Iterator[Metric]:
        state: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in KERNEL}
        for service, database in self.databases.items():
            with database.read() as session:
                for name, value in _kernel_state(session).items():
                    state[name][(service,)] = value
                yield from self.figures[service](session)
        for name, values in state.items():
            yield gauge(name, KERNEL[name], ["service"], values)


KERNEL = {
    "waywarden_outbox_pending": "Events that are not yet published.",
    "waywarden_outbox_oldest_seconds": "Age of the oldest event that is not yet published; 0 when there is none.",
    "waywarden_retries": "Parked events that wait for another try.",
    "waywarden_dead_letters": "Events that used up their tries.",
}


def _kernel_state(session: Session) -> dict[str, float]:
    pending, oldest = session.execute(
        select(func.count(), func.min(outbox.c.recorded_at)).where(outbox.c.published_at.is_(None))
    ).one()
    waiting, dead = inbox.counts(session)
    age = (clock.now() - oldest).total_seconds() if oldest else 0.0
    return dict(zip(KERNEL, (pending, age, waiting, dead), strict=True))
