"""The yardstick of the messaging rows: stock nameko with the same effect, one transaction per event.

``python -m tests.bench.stock keep|open|tell``, a process of its own, with BENCH_WORKERS workers.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import os
import signal
import sys
import time
import warnings
from typing import Any

warnings.filterwarnings("ignore", category=DeprecationWarning)

import msgspec
from nameko.containers import ServiceContainer
from nameko.events import EventDispatcher, event_handler
from nameko.extensions import DependencyProvider
from nameko.runners import ServiceRunner
from nameko.testing.services import dummy, entrypoint_hook
from psycogreen.eventlet import patch_psycopg
from sqlalchemy import create_engine, insert
from sqlalchemy.dialects.postgresql import insert as insert_or_nothing
from sqlalchemy.orm import Session, sessionmaker

from services.workorders.use_cases import opening
from shared import clock
from shared.events.assets import DefectRecorded
from shared.events.inspections import FindingConfirmed
from shared.inbox import inbox
from tests.bench import toy

patch_psycopg()
WORKERS = int(os.environ.get("BENCH_WORKERS", "10"))
CONFIG = {"AMQP_URI": os.environ.get("BENCH_AMQP_URL"), "max_workers": WORKERS}


class Sessions(DependencyProvider):  # type: ignore[misc]
    """A session maker with a connection for each worker."""

    def setup(self) -> None:
        url = os.environ["BENCH_DATABASE_URL"]
        self.make = sessionmaker(create_engine(url, pool_size=WORKERS, max_overflow=0), expire_on_commit=False)

    def get_dependency(self, worker_ctx: Any) -> sessionmaker[Session]:
        return self.make


def is_new(session: Session, queue: str, event_id: str) -> bool:
    """Claim the event in the inbox, so that its effect comes once."""
    row = {"queue": queue, "event_id": event_id, "handled_at": clock.now()}
    claimed = session.execute(insert_or_nothing(inbox).values(row).on_conflict_do_nothing())
    return bool(claimed.rowcount)  # type: ignore[attr-defined]


class Keeper:
    """Inserts one row for each event."""

    name = "stock"
    sessions = Sessions()

    @event_handler("inspections", FindingConfirmed.event_type)
    def keep(self, envelope: dict[str, Any]) -> None:
        with self.sessions.begin() as session:
            if is_new(session, "keep", envelope["id"]):
                event = msgspec.convert(envelope["data"], FindingConfirmed)
                session.execute(insert(toy.kept).values(toy.row(event)))


class Opener:
    """Opens an order for each event, by the service's own use case."""

    name = "stock"
    sessions = Sessions()

    @event_handler("assets", DefectRecorded.event_type)
    def open(self, envelope: dict[str, Any]) -> None:
        with self.sessions.begin() as session:
            if is_new(session, "open", envelope["id"]):
                opening.open_for_defects(session, [msgspec.convert(envelope["data"], DefectRecorded)])


class Teller:
    """Tells events, each with its confirm awaited."""

    name = "inspections"
    dispatch = EventDispatcher()

    @dummy
    def tell(self, count: int) -> None:
        for _ in range(count):
            event = toy.finding()
            self.dispatch(event.event_type, msgspec.to_builtins(event))


def handle(service: type) -> None:
    """Handle what is in the queue, and what comes, until SIGTERM."""
    runner = ServiceRunner(config=CONFIG)
    runner.add_service(service)
    runner.start()
    told = eventlet.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.send())
    told.wait()
    runner.stop()


def tell(count: int) -> None:
    """Tell so many events from all workers at once, and print how many a second."""
    container = ServiceContainer(Teller, CONFIG)
    container.start()
    with entrypoint_hook(container, "tell", timeout=None) as run:
        run(WORKERS)  # opens connections
        began = time.perf_counter()
        workers = [eventlet.spawn(run, count // WORKERS) for _ in range(WORKERS)]
        for worker in workers:
            worker.wait()
        print(count / (time.perf_counter() - began))
    container.stop()


def main(side: str, *arguments: str) -> None:
    if side == "tell":
        tell(int(arguments[0]))
    else:
        handle({"keep": Keeper, "open": Opener}[side])


if __name__ == "__main__":
    main(*sys.argv[1:])
