"""Times and counts what entrypoints do, and makes gauges for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from nameko.extensions import DependencyProvider
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from shared import logs

SECONDS = Histogram(
    "waywarden_entrypoint_duration_seconds", "Time in a request or a batch of events.", ["service", "entrypoint"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
FAILURES = Counter("waywarden_entrypoint_failures", "Requests and batches that failed.", ["service", "entrypoint"])


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
