"""Events handled and events published a second, each beside stock nameko with the same effect, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from types import SimpleNamespace
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.process import free_port
from services.workorders.sample import DISTRICTS, load_sample
from services.workorders.use_cases.copies import keep_catalogue
from shared.db import Database, insert_new
from shared.envelope import seal
from shared.events import Event
from shared.inbox import inbox
from shared.messaging import BATCH, Publisher
from shared.outbox import outbox
from tests.bench import toy
from tests.bench.bed import Bed
from tests.bench.table import Line, against, spread

HANDLED, PUBLISHED = inbox.c.handled_at, outbox.c.published_at
ORDERS = ("work_orders",)


@dataclass(frozen=True)
class Beds:
    """Both sides, how many times and how much each is given to do, and what numbers of workers stock nameko tries."""

    ours: Bed
    stock: Bed
    rounds: int
    events: int
    workers: Sequence[int]

    def in_turns(
        self, ours: Callable[[int], float], stock: Callable[[int, int], float], *, share: int, part: int = 1
    ) -> Rates:
        """Ours gets one ``part``-th of the events, stock one ``share``-th, since it takes that much longer."""
        rates = Rates([], {workers: [] for workers in self.workers})
        for _ in range(self.rounds):
            rates.ours.append(ours(self.events // part))
            for workers, stocks in rates.stock.items():
                stocks.append(stock(self.events // share, workers))
        return rates


@dataclass(frozen=True)
class Rates:
    """Events a second: one figure a round, the stock side's by its number of workers."""

    ours: list[float]
    stock: dict[int, list[float]]

    def line(self, what: str, *, goal: float, workers: int | None = None) -> Line:
        """Against so many workers, or against the best number of them."""
        chosen = workers or max(self.stock, key=lambda each: median(self.stock[each]))
        return against(what, self.ours, self.stock[chosen], f"stock nameko, max_workers {chosen}", goal=goal)


def insert_a_row(beds: Beds) -> Iterator[Line]:
    """A handler that inserts one row."""

    def ours(count: int) -> float:
        beds.ours.empty("kept_findings")
        beds.ours.fill("assets.record_defects", [toy.finding() for _ in range(count)])
        with beds.ours.running("tests.bench.ours", "keep", WAYWARDEN_SERVICES="assets") as process:
            return beds.ours.pace(HANDLED, count, process)

    def stock(count: int, workers: int) -> float:
        beds.stock.empty("kept_findings")
        beds.stock.fill(stock_queue(toy.finding(), "keep"), [toy.finding() for _ in range(count)])
        with beds.stock.running("tests.bench.stock", "keep", BENCH_WORKERS=str(workers)) as process:
            return beds.stock.pace(HANDLED, count, process)

    yield beds.in_turns(ours, stock, share=10).line("1 events handled, effect once: insert a row", goal=10)


def open_an_order(beds: Beds) -> Iterator[Line]:
    """The real handler: an order with its moves, dispatched by rule, told in two events, counted."""
    for bed in (beds.ours, beds.stock):
        database = Database(bed.database_url, connections=2)
        load_sample(database)
        with database.begin() as session:
            keep_catalogue(session, [toy.catalogue()])

    def ours(count: int) -> float:
        beds.ours.empty(*ORDERS)
        beds.ours.fill("workorders.open_for_defects", list(defects(count)))
        more = {"WAYWARDEN_SERVICES": "workorders", "WAYWARDEN_PORT": str(free_port())}
        with beds.ours.running("deploy.runner", "workorders", **more) as process:
            return beds.ours.pace(HANDLED, count, process)

    def stock(count: int, workers: int) -> float:
        beds.stock.empty(*ORDERS)
        events = list(defects(count))
        beds.stock.fill(stock_queue(events[0], "open"), events)
        with beds.stock.running("tests.bench.stock", "open", BENCH_WORKERS=str(workers)) as process:
            return beds.stock.pace(HANDLED, count, process)

    rates = beds.in_turns(ours, stock, share=20, part=4)
    yield rates.line("2 events handled, effect once: open an order", goal=4)


def publish(beds: Beds) -> Iterator[Line]:
    """Events out of the outbox, confirmed and marked, against dispatching with a confirm awaited for each."""

    def ours(count: int) -> float:
        beds.ours.empty()
        beds.ours.fill("assets.record_defects", [toy.finding()])
        with Session(beds.ours.engine) as session:
            insert_new(session, outbox, [outbox_row(toy.finding()) for _ in range(count)])
            session.execute(text("ANALYZE outbox"))  # as autovacuum has long done where a service runs
            session.commit()
        with beds.ours.running("tests.bench.ours", "tell", WAYWARDEN_SERVICES="inspections") as process:
            return beds.ours.pace(PUBLISHED, count, process)

    def stock(count: int, workers: int) -> float:
        beds.stock.fill(stock_queue(toy.finding(), "keep"), [toy.finding()])
        with beds.stock.running("tests.bench.stock", "tell", str(count), BENCH_WORKERS=str(workers)) as process:
            process.wait(300)
            return float(process.log_end(1))

    rates = replace(beds, workers=[1, *beds.workers]).in_turns(ours, stock, share=10)
    yield rates.line("3 events published, against a confirm awaited for each", goal=10, workers=1)
    yield rates.line("3 the same, against as many at once as is best", goal=1)
    yield Line("3 what the broker takes at most", spread([most_taken(beds) for _ in range(beds.rounds)]))


def most_taken(beds: Beds) -> float:
    """Events a second whose frames were made beforehand: no sender is faster with this broker on this machine."""
    beds.ours.fill("assets.record_defects", [toy.finding()])
    publisher = Publisher(beds.ours.amqp_url, "assets")
    transport, frames = publisher.connection.connection.transport, bytearray()
    send, transport._write = transport._write, frames.extend
    for _ in range(BATCH):
        publisher._publish(SimpleNamespace(**outbox_row(toy.finding())))  # type: ignore[arg-type]
    transport._write = send
    began = time.perf_counter()
    for first in range(1, beds.events, BATCH):
        publisher._unconfirmed = set(range(first, first + BATCH))
        send(frames)
        while publisher._unconfirmed:
            publisher._hear()
    taken = beds.events / (time.perf_counter() - began)
    publisher.close()
    return taken


def defects(count: int) -> Iterator[Event]:
    districts = list(DISTRICTS)
    return (toy.defect(districts[number % len(districts)]) for number in range(count))


def stock_queue(event: Event, method: str) -> str:
    """The name that nameko derives."""
    return f"evt-{event.service}-{event.event_type}--stock.{method}"


def outbox_row(event: Event) -> dict[str, object]:
    event_id = uuid4()
    body = seal(event, event_id).decode()
    return {
        "event_id": event_id, "event_type": event.event_type, "body": body, "request_id": uuid4().hex,
        "recorded_at": datetime.now(UTC),
    }  # fmt: skip
