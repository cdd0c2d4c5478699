"""What every service has: its database, the relay, metrics. Declarations only: there is nothing to override."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar, Protocol

from nameko.extensions import DependencyProvider, Entrypoint
from sqlalchemy import MetaData
from sqlalchemy.orm import Session

from shared import workers
from shared.auth import Keys
from shared.db import JOB_S, Database
from shared.loops import Loop
from shared.metrics import Metrics
from shared.relay import Relay
from shared.settings import Settings

Job = Callable[[Any, Session], object]


class Serving(Protocol):
    """The process's web server (deploy/site.py)."""

    closing: bool


class Given(DependencyProvider):  # type: ignore[misc]
    """What the runner made for the process, by its name in the configuration."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_dependency(self, worker_ctx: Any) -> Any:
        given = self.container.config[self.name]
        return given[self.container.service_name] if self.name == "databases" else given


class Service:
    """A service class sets ``name``, ``metadata`` (its tables) and ``figures`` (collect and recount)."""

    name: ClassVar[str]
    metadata: ClassVar[MetaData]
    figures: ClassVar[ModuleType]

    db: Database = Given("databases")
    settings: Settings = Given("settings")
    keys: Keys = Given("keys")
    site: Serving = Given("site")
    relay = Relay()
    metrics = Metrics()


def _in_transaction(job: Job) -> Callable[[Any], object]:
    @functools.wraps(job)
    def run(service: Any) -> object:
        with service.db.begin(statement_s=JOB_S) as session:
            return job(service, session)

    return run


def every(seconds: float) -> Callable[[Job], Callable[[Any], object]]:
    """Run a method ``(self, session)`` every so often, each time in a write transaction. Replicas all run it.

    One that returns something true has more to do, and runs again at once in another transaction.
    """
    return lambda job: Periodic.decorator(seconds)(workers.contained(_in_transaction(job)))


def every_few(seconds: float) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Run a method ``(self)`` every so often, which opens transactions itself where it needs any."""
    return lambda job: Periodic.decorator(seconds)(workers.contained(job))


def on_start(job: Job) -> Callable[[Any], object]:
    """Run a method ``(self, session)`` once when the service starts, as soon as its database answers."""
    return Periodic.decorator(None)(workers.contained(_in_transaction(job)))  # type: ignore[no-any-return]


class Periodic(Entrypoint):  # type: ignore[misc]
    """Runs a job in a worker, every so often or, without ``seconds``, until it succeeded once."""

    def __init__(self, seconds: float | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def start(self) -> None:
        self.loop = Loop(self.container, f"{self.container.service_name}.{self.method_name}", self._turn)

    def stop(self) -> None:
        self.loop.stop()

    def _turn(self) -> float | None:
        more = workers.run(self)
        return 0 if more and self.seconds else self.seconds
