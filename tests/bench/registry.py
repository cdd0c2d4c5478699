"""The registry under load: a city of ten thousand, a hundred thousand, a million facilities on PostgreSQL.

Questions go through the functions that the routes call; HTTP, sign-in and JSON come on top.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.migrations import migrate
from deploy.servers import Servers
from services.assets import figures, queries
from services.assets.domain import geometry as geo
from services.assets.service import Assets
from services.assets.use_cases import record_defects
from shared import tallies
from shared.db import Database
from tests.bench.city import SIDE, STREETS, build
from tests.bench.table import Line, ms, percentile
from tests.bench.toy import finding

SIZES = (10_000, 100_000, 1_000_000)
CENTRE = (24.945, 60.17)
SEARCH_GOAL_S, TILE_GOAL_S, RATES_GOAL_S, DEFECT_GOAL_S = 0.05, 0.1, 0.1, 1.0
LARGEST_TILE = 500_000
PAGE = 100
WARMING = 10


@dataclass
class City:
    """The database with so many facilities, and the same questions in the same order for each size."""

    database: Database
    size: int
    rounds: int
    rng: random.Random

    def place(self) -> tuple[float, float]:
        spread = SIDE * geo.CELL_DEG
        return CENTRE[0] + (self.rng.random() - 0.5) * spread, CENTRE[1] + (self.rng.random() - 0.5) * spread

    def box(self, metres: float) -> tuple[float, float, float, float]:
        return geo.box_around(*self.place(), metres / 2)

    def seconds(self, ask: Callable[[Session], object]) -> list[float]:
        """How long each of ``rounds`` questions took, after WARMING ones."""
        taken = []
        with self.database.read() as session:
            for _ in range(WARMING):
                ask(session)
            for _ in range(self.rounds):
                began = time.perf_counter()
                ask(session)
                taken.append(time.perf_counter() - began)
        return taken


QUESTIONS: dict[str, Callable[[City], dict[str, Any]]] = {
    "box of 100 m": lambda city: {"bbox": city.box(100)},
    "box of 1 km": lambda city: {"bbox": city.box(1_000)},
    "box of 5 km": lambda city: {"bbox": city.box(5_000)},
    "nearest 100": lambda city: {"near": (*city.place(), 500.0)},
    "nearest bridges": lambda city: {"near": (*city.place(), 2_000.0), "kind": ["bridge"]},
    "part of a code": lambda city: {"q": f"{city.rng.randrange(city.size):08}"[1:]},
    "two Chinese characters": lambda city: {"q": city.rng.choice(STREETS)[:2]},
    "a Chinese street": lambda city: {"q": city.rng.choice(STREETS)},
    "a rare attribute": lambda city: {"attributes": {"survey": f"s{city.rng.randrange(5_000)}"}},
    "an attribute of a kind": lambda city: {"attributes": {"network": "sewage"}, "kind": ["manhole"]},
    "an attribute that many have": lambda city: {"attributes": {"lamp_type": "led"}},
    "a kind in a district": lambda city: {"kind": ["bridge"], "district": f"D-{city.rng.randrange(1, 13):02}"},
}


def measure(servers: Servers, quick: bool) -> Iterator[Line]:
    """One table of figures for each size; the later ones add to the city of the earlier ones."""
    database = Database(servers.postgres.create_database("bench_registry"), connections=4)
    migrate(database.engine, "assets", Assets.metadata)
    gc.collect()
    gc.freeze()  # as in a service: see deploy/runner.py
    gc.set_threshold(20_000, 20, 20)
    built = 0
    for size in SIZES[:1] if quick else SIZES:
        began = time.perf_counter()
        build(database.engine, built, size)
        built = size
        recounted = _recount(database)
        yield Line(f"8 {size:,} facilities built", f"{time.perf_counter() - began:.0f} s, of it sums {recounted:.0f} s")
        yield from _ask(City(database, size, 20 if quick else 200, random.Random(7)))
    database.close()


def _recount(database: Database) -> float:
    began = time.perf_counter()
    with database.begin() as session:
        for figure, sums in figures.recount(session).items():
            tallies.replace(session, figure, sums)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE tallies"))
    return time.perf_counter() - began


def _ask(city: City) -> Iterator[Line]:
    for name, question in QUESTIONS.items():
        yield _line(city, name, city.seconds(partial(_find, city, question)), SEARCH_GOAL_S)
    yield from _tiles(city)
    for by in ("district", "grid", "street"):
        yield _line(city, f"rates by {by}", city.seconds(partial(queries.list_rates, by=by)), RATES_GOAL_S)
    yield _line(city, "metrics", city.seconds(lambda session: list(figures.collect(session))), RATES_GOAL_S)
    yield _line(city, "a defect in the rates", list(_defects(city)), DEFECT_GOAL_S)


def _find(city: City, question: Callable[[City], dict[str, Any]], session: Session) -> None:
    queries.list_facilities(session, limit=PAGE, **question(city))


def _tiles(city: City) -> Iterator[Line]:
    """The slowest zoom and the largest tile; each zoom is drawn at ``rounds`` places."""
    slowest: tuple[float, int, list[float]] = (0.0, 0, [])
    largest = 0
    for z in range(geo.FINEST + 1):
        sizes: list[int] = []

        def draw(session: Session, z: int = z, sizes: list[int] = sizes) -> None:
            x, y = geo.tile_of(*city.place(), z)
            sizes.append(len(queries.draw_tile(session, z=z, x=x, y=y)))

        taken = city.seconds(draw)
        slowest = max(slowest, (percentile(taken, 99), z, taken))
        largest = max(largest, *sizes)
    yield _line(city, f"tiles, slowest zoom ({slowest[1]})", slowest[2], TILE_GOAL_S)
    yield Line(
        f"8 {city.size:,}: largest tile of any zoom", f"{largest:,} bytes",
        goal="<= 500 KB", met=largest <= LARGEST_TILE,
    )  # fmt: skip


def _defects(city: City) -> Iterator[float]:
    """From the event to rates that have counted it: handler, commit and question together."""
    with city.database.read() as session:
        codes = [each.code for each in queries.list_facilities(session, limit=10, kind=["street_light"]).items]
    for code in codes:
        began = time.perf_counter()
        with city.database.begin() as session:
            record_defects(session, [replace(finding(), facility_code=code)])
        with city.database.read() as session:
            queries.list_rates(session, by="district")
        yield time.perf_counter() - began


def _line(city: City, name: str, taken: list[float], goal_s: float) -> Line:
    met = percentile(taken, 99) <= goal_s
    return Line(f"8 {city.size:,}: {name}", ms(taken), goal=f"p99 <= {goal_s * 1000:.0f} ms", met=met)
