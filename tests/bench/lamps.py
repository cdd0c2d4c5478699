"""Row 9: states of lamps over HTTP, stored and reckoned, against psql's ``\\copy`` of the same rows."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, func, select, text

from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.process import Process, answers, free_port
from deploy.servers import Servers
from deploy.stack import ROOT
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.lighting import city_place
from services.assets.domain.rates import By
from services.assets.queries.lamps import list_metered
from services.assets.tables import lamp_nights_due, lamp_states, mapping
from services.assets.use_cases import metering, register_facilities
from shared import clock
from shared.auth import Keys, User
from shared.db import Database
from tests.bench.load import Caller, together
from tests.bench.table import Line, against

LAMPS, AT_ONCE = 5_000, 5_000
STATES, ROUNDS = 450_000, 3
EVERY = timedelta(minutes=10)
CLIENTS = 2
GOAL_S = 5_000
Batch = list[dict[str, object]]


def take_states(servers: Servers, states: int) -> Iterator[Line]:
    """Each round the states of another night: half the lamps burn, half are dark."""
    folder = Path(servers.folder) / "bench-lamps"
    folder.mkdir()
    url = servers.postgres.create_database("bench_lamps")
    database = Database(url, connections=2)
    migrate(database.engine, "assets", mapping.metadata)
    _register(database)
    stored, right, copied = [], [], []
    with _serving(folder, url, servers) as callers:
        for number in range(ROUNDS):
            batches = list(_night(number + 2, states // LAMPS))
            count = sum(map(len, batches))
            began = time.monotonic()
            _send(callers, batches)
            stored.append(count / (time.monotonic() - began))
            _reckon(database)
            right.append(count / (time.monotonic() - began))
            _check(database, number + 2)
            copied.append(count / _copy(folder, url, batches))
    database.close()
    yield Line(
        "9 lamp states stored", f"{min(stored):,.0f}/s at least", goal=f">= {GOAL_S:,}/s", met=min(stored) >= GOAL_S
    )
    line = against("9 lamp states stored, and the rate right", right, copied, "psql \\copy", goal=0)
    yield Line(line.what, line.ours, line.yardstick, line.ratio, f">= {GOAL_S:,}/s", min(right) >= GOAL_S)


def _register(database: Database) -> None:
    then = datetime.now(UTC) - timedelta(days=90)
    drafts = [
        {
            "code": f"BENCH-{number}",
            "kind": "street_light",
            "geometry": {"type": "Point", "coordinates": [24.9 + number / 100_000, 60.17]},
            "district": f"D-{number % 12}",
            "street": f"Street {number % 300}",
        }
        for number in range(LAMPS)
    ]
    with clock.frozen(then):
        for start in range(0, LAMPS, 1_000):
            with database.begin() as session:
                register_facilities(session, drafts[start : start + 1_000], who="bench")


@contextmanager
def _serving(folder: Path, url: str, servers: Servers) -> Iterator[Sequence[Caller]]:
    """assets in a process of its own, and clients that send as a device."""
    make_keys(folder / "keys")
    token, port = Keys(folder / "keys").sign(User("bench", "device")), free_port()
    environment = os.environ | {
        "WAYWARDEN_DATA": str(folder),
        "WAYWARDEN_DATABASE_URL_ASSETS": url,
        "WAYWARDEN_BROKER_URL": servers.amqp_url,
        "WAYWARDEN_SERVICES": "assets",
        "WAYWARDEN_PORT": str(port),
        "WAYWARDEN_EMPTY": "1",
        "WAYWARDEN_LOG_LEVEL": "warning",
    }
    process = Process(
        "bench-lamps", [sys.executable, "-m", "deploy.runner"], log=folder / "assets.log",
        ready=lambda: answers(port), environment=environment, folder=ROOT,
    )  # fmt: skip
    process.start()
    try:
        yield [Caller(f"http://127.0.0.1:{port}", token) for _ in range(CLIENTS)]
    finally:
        process.stop()


def _night(ago: int, states_each: int) -> Iterator[Batch]:
    """Every lamp every ten minutes from six in the evening on, in the order of time."""
    began = _evening(ago)
    states: Batch = []
    for number in range(states_each):
        at = (began + number * EVERY).isoformat()
        for lamp in range(LAMPS):
            states.append({"facility_code": f"BENCH-{lamp}", "at": at, "lit": lamp % 2 == 0, "power_w": 41.5})
            if len(states) == AT_ONCE:
                yield states
                states = []


def _evening(ago: int) -> datetime:
    place = city_place(the_catalogue())
    return place.window(place.night_of(clock.now()) - timedelta(days=ago))[0] + timedelta(hours=6)


def _send(callers: Sequence[Caller], batches: Sequence[Batch]) -> None:
    bodies = iter([json.dumps({"states": batch}).encode() for batch in batches])

    def send(caller: Caller) -> None:
        for body in bodies:
            taken = caller.call("POST", "/lamp-states", body, {"Content-Type": "application/json"})
            if taken["rejected"]:
                raise RuntimeError(taken["rejected"][0])

    together([lambda caller=caller: send(caller) for caller in callers])  # type: ignore[misc]


def _reckon(database: Database) -> None:
    """Do what the service's own job does from time to time, until nothing is due."""
    while True:
        with database.begin() as session:
            metering.reckon_nights(session)
            if not session.scalar(select(func.count()).select_from(lamp_nights_due)):
                return


def _check(database: Database, ago: int) -> None:
    night = city_place(the_catalogue()).night_of(_evening(ago))
    with database.read() as session:
        (rate,) = list_metered(session, by=By.KIND, date=night, only={})
    if rate.ratio != 0.5 or rate.lamps_unknown:
        raise RuntimeError(f"The rate is not right: {rate}")


def _copy(folder: Path, url: str, batches: Sequence[Batch]) -> float:
    """Seconds that psql takes to store the same rows."""
    rows = folder / "rows.csv"
    with rows.open("w", newline="") as file:
        table = csv.writer(file)
        for batch in batches:
            for each in batch:
                at_s = int(datetime.fromisoformat(str(each["at"])).timestamp())
                table.writerow((str(each["facility_code"])[6:], at_s, each["lit"], each["power_w"], ""))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS copied"))
        connection.execute(text(f"CREATE TABLE copied (LIKE {lamp_states.name} INCLUDING ALL)"))
    engine.dispose()
    began = time.monotonic()
    command = f"\\copy copied FROM '{rows}' (FORMAT csv)"
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", url.replace("+psycopg2", ""), "-c", command], check=True)
    return time.monotonic() - began
