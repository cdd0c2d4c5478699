"""The production shape through HTTP: the report call, whole stories, and how soon an order is visible."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import cycle
from statistics import median
from threading import Lock
from uuid import uuid4

import psutil

from deploy.servers import Servers, plain_environment, postgres_programs
from deploy.stack import Stack
from tests.bench.load import Caller, Thing, together
from tests.bench.table import Line, against, ms, percentile
from tests.client import System
from tests.story import Cast, finding, picture

CLIENTS = 8
CORES = min(os.cpu_count() or 1, 4)  # pgbench uses as many: one replica of the service that is called for each
LOADS = (10, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300)  # findings a second
LOOK_S = 0.05  # looking costs the system too: at 20 ms six lookers kept a third of a core busy
POLL_S = 0.1  # a crew's app need not look more often
REPORT_GOAL, SEEN_GOAL_S = 0.10, 0.5
BORNE = 0.95  # of the offered load


@dataclass
class Bench:
    """A stack with the sample city, and pgbench's database on the same server."""

    stack: Stack
    system: System
    rounds: int
    seconds: float
    pgbench: str
    lamps: Iterator[Thing] = field(default_factory=lambda: iter(()))
    lock: Lock = field(default_factory=Lock)

    def caller(self, role: str, crew: str | None = None) -> Caller:
        token = self.system.user(role, f"{role}-{crew or 1}", crew=crew).token
        return Caller(self.stack.base_url, token or "")

    def report(self, **other: str) -> Thing:
        """A patrol's report about the next lamp."""
        with self.lock:
            return finding(next(self.lamps), str(uuid4()), **other)

    def idle(self) -> None:
        """Wait until every event is published and handled."""
        pending = "waywarden_outbox_pending"
        quiet = 0
        while quiet < 3:
            waiting = sum(self.system.count(each, pending) for each in ("inspections", "assets", "workorders"))
            quiet = quiet + 1 if not waiting else 0
            time.sleep(0.3)


@contextmanager
def bench(servers: Servers, quick: bool) -> Iterator[Bench]:
    url = servers.postgres.create_database("bench_pgbench")
    environment = {"WAYWARDEN_LOG_LEVEL": "warning"}
    replicas = {"inspections": CORES}
    with Stack(
        servers.folder / "stack", servers=servers, name="bench", environment=environment, replicas=replicas
    ) as stack:
        system = System.of(stack)
        rounds, seconds = (1, 1.0) if quick else (3, 8.0)
        made = Bench(stack, system, rounds, seconds, url.replace("+psycopg2", ""))
        made.lamps = cycle(Cast(system).lamps(500))
        run_pgbench(made, "-i", "-q", "-s", "1" if quick else "10")
        yield made


# --- the report call ----------------------------------------------------------------------------------------------


def report(bench: Bench) -> Iterator[Line]:
    """At 8 clients, in turns with pgbench at 8 clients: alone, and with the services behind it at work."""
    alone, together_with, tps = [], [], []
    for _ in range(bench.rounds):
        tps.append(pgbench(bench))
        with downstream_halted(bench):
            alone.append(report_rate(bench))
        bench.idle()
        together_with.append(report_rate(bench))
        bench.idle()
    named = f"pgbench -N -c {CLIENTS}"
    yield against(f"4 report call alone, {CLIENTS} clients", alone, tps, named, goal=REPORT_GOAL)
    yield against("4 the same, the services behind it at work", together_with, tps, named, goal=REPORT_GOAL)


def report_rate(bench: Bench) -> float:
    """Reports a second, through the proxy, on kept connections."""
    reported: list[float] = []
    end = time.perf_counter() + bench.seconds
    together([partial(keep_reporting, bench, bench.caller("inspector"), end, reported) for _ in range(CLIENTS)])
    return len(reported) / bench.seconds


def keep_reporting(bench: Bench, caller: Caller, end: float, reported: list[float]) -> None:
    while (began := time.perf_counter()) < end:
        caller.post("/findings", bench.report(category="lamp_flicker"))
        reported.append(time.perf_counter() - began)
    caller.close()


@contextmanager
def downstream_halted(bench: Bench) -> Iterator[None]:
    """Services that only hear of a report stand still, their events wait in the broker."""
    halted = [psutil.Process(bench.stack.process(each).pid) for each in ("assets", "workorders")]
    for process in halted:
        process.suspend()
    try:
        yield
    finally:
        for process in halted:
            process.resume()


def pgbench(bench: Bench) -> float:
    """Transactions a second."""
    out = run_pgbench(bench, "-N", "-c", str(CLIENTS), "-T", str(max(1, int(bench.seconds))))
    found = re.search(r"tps = ([\d.]+)", out)
    assert found, out
    return float(found[1])


def run_pgbench(bench: Bench, *arguments: str) -> str:
    command = [f"{postgres_programs()}/pgbench", *arguments, bench.pgbench]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=plain_environment()).stdout


# --- stories ------------------------------------------------------------------------------------------------------


def play_stories(bench: Bench) -> Iterator[Line]:
    """Report, order, accept, start, complete with a photo, check passed; sixteen at a time, as fast as they go."""
    reports: list[float] = []
    rates = []
    for _ in range(bench.rounds):
        told: list[str] = []
        end = time.perf_counter() + bench.seconds
        took = together([partial(keep_playing, bench, end, reports, told) for _ in range(2 * CLIENTS)])
        rates.append(len(told) / took)
        bench.idle()
    yield Line(f"5 whole stories, {2 * CLIENTS} clients", f"{median(rates):.1f}/s ({min(rates):.1f}-{max(rates):.1f})")
    yield Line("5 their report call", ms(reports))


def keep_playing(bench: Bench, end: float, reports: list[float], told: list[str]) -> None:
    inspector, dispatcher = bench.caller("inspector"), bench.caller("dispatcher")
    crews: dict[str, Caller] = {}
    while time.perf_counter() < end:
        body = bench.report(category="lamp_flicker")
        began = time.perf_counter()
        inspector.post("/findings", body)
        reports.append(time.perf_counter() - began)
        order = await_order(dispatcher, body["id"], POLL_S)
        crew = crews.setdefault(order["crew"], crews.get(order["crew"]) or bench.caller("crew", order["crew"]))
        told.append(repair(crew, dispatcher, f"/work-orders/{order['number']}"))


def repair(crew: Caller, dispatcher: Caller, order: str) -> str:
    """From the dispatched order to the closed one; its state."""
    photo = picture()
    digest = sha256(photo).hexdigest()
    move(crew, f"{order}/accept")
    move(crew, f"{order}/start")
    crew.call("PUT", f"/photos/{digest}", photo, {"Content-Type": "image/png"})
    move(crew, f"{order}/complete", note="Lamp replaced.", photos=[digest])
    return str(move(dispatcher, f"{order}/check", passed=True, note="It burns.")["state"])


def move(caller: Caller, path: str, **body: object) -> Thing:
    return caller.post(path, body, Idempotency_Key=str(uuid4()))


def await_order(dispatcher: Caller, finding_id: str, pause_s: float) -> Thing:
    """Look for the finding's order until it is dispatched."""
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        for order in dispatcher.get(f"/work-orders?finding_id={finding_id}")["items"]:
            if order["state"] == "dispatched":
                return order  # type: ignore[no-any-return]
        time.sleep(pause_s)
    raise TimeoutError(f"no order of {finding_id}")


# --- from the finding to its order ---------------------------------------------------------------------------------


def await_orders(bench: Bench) -> Iterator[Line]:
    """How soon a finding's order is visible, at rising loads, until the machine bears no more."""
    borne: Line | None = None
    for load in LOADS[:2] if bench.rounds == 1 else LOADS:
        rate, seen, busy = at_load(bench, load, 2 * bench.seconds)
        bench.idle()
        fine = rate >= BORNE * load and bool(seen)
        text = ms(seen) if seen else "none seen"
        yield Line(f"6 finding to order at {load}/s", text, busy, goal=f"took {rate:.0f}/s")
        if not fine or percentile(seen, 99) > 4 * SEEN_GOAL_S:
            break
        met = percentile(seen, 99) <= SEEN_GOAL_S
        borne = Line(f"6 highest load borne: {load}/s", text, goal="p99 <= 500 ms", met=met)
    if borne:
        yield borne


def at_load(bench: Bench, load: int, seconds: float) -> tuple[float, list[float], str]:
    """Report so many findings a second and follow some of them: (taken a second, seconds until seen, who was busy)."""
    taken: list[str] = []
    seen: list[float] = []
    start = time.perf_counter() + 0.2
    watch = Watch(bench)
    reporters, followers, end = 2 * CLIENTS, 3, start + seconds
    jobs = [partial(report_at, bench, start + i / load, reporters / load, end, taken) for i in range(reporters)]
    jobs += [partial(follow, bench, start + i / followers, end, seen) for i in range(followers)]
    together(jobs)
    return len(taken) / seconds, seen, watch.busiest()


def report_at(bench: Bench, first: float, every: float, end: float, taken: list[str]) -> None:
    """One report at each of these times, or as soon after as the last one is answered."""
    caller, due = bench.caller("inspector"), first
    while due < end:
        time.sleep(max(0.0, due - time.perf_counter()))
        if time.perf_counter() > end:
            return
        taken.append(caller.post("/findings", bench.report(category="lamp_flicker"))["id"])
        due += every


def follow(bench: Bench, first: float, end: float, seen: list[float]) -> None:
    """Report, and look every 50 ms whether the order is there: the seconds from the answer on, about one a second."""
    inspector, dispatcher = bench.caller("inspector"), bench.caller("dispatcher")
    due = first
    while due < end:
        time.sleep(max(0.0, due - time.perf_counter()))
        finding_id = inspector.post("/findings", bench.report(category="lamp_flicker"))["id"]
        answered = time.perf_counter()
        await_order(dispatcher, finding_id, LOOK_S)
        seen.append(time.perf_counter() - answered)
        due = max(due + 0.5, time.perf_counter())


class Watch:
    """How busy each part of the system is, in cores, from its making to ``busiest``."""

    def __init__(self, bench: Bench) -> None:
        stack = bench.stack
        self.parts = {name: [psutil.Process(each.pid) for each in some] for name, some in stack.services.items()}
        for each in (stack.servers.postgres, stack.servers.rabbitmq, stack.proxy):
            parent = psutil.Process(each.pid)
            self.parts[each.name] = [parent, *parent.children(recursive=True)]
        self.parts["client"] = [psutil.Process(os.getpid())]
        self.began, self.before = time.perf_counter(), self._used()

    def busiest(self) -> str:
        seconds = time.perf_counter() - self.began
        cores = {name: (used - self.before[name]) / seconds for name, used in self._used().items()}
        ordered = sorted(cores, key=lambda name: -cores[name])
        return ", ".join(f"{name} {cores[name]:.2f}" for name in ordered if cores[name] >= 0.05)

    def _used(self) -> dict[str, float]:
        return {name: sum(map(cpu_s, processes)) for name, processes in self.parts.items()}


def cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
