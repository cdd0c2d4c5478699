"""A stack for all drills, each of which plays stories of its own on it, and the size of the drills."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.servers import Missing, require, temporary
from deploy.stack import Embedded, Stack
from shared.events.queues import SERVICES
from tests.conftest import RUNNING

SETTINGS = {"WAYWARDEN_RETRY_DELAYS_S": "1,2,2,2,2", "WAYWARDEN_LOG_JSON": "1"}
BROKER_LIMIT = {"delivery-limit": 20}


@dataclass(frozen=True)
class Size:
    """``full`` is what ``make drills`` runs; the short form, a little of everything, is part of ``make test``."""

    stories: int
    kills: int  # at least
    most_kills: int  # where stories are still under way
    rounds: int
    deaths: int  # of one reader: more than a broker's limit in the full form
    fault_s: tuple[float, float]  # how long a server hangs, is away, or has no room
    all_services: bool  # whether each is a victim in turn, or one by chance

    def victims(self, chance: random.Random) -> list[str]:
        """The services that a drill turns against, one after the other."""
        return [*SERVICES] * self.rounds if self.all_services else [chance.choice(SERVICES)]


@pytest.fixture(scope="session")
def size() -> Size:
    full = os.environ.get("WAYWARDEN_DRILLS") == "full"
    if full:
        return Size(stories=500, kills=20, most_kills=60, rounds=3, deaths=22, fault_s=(5, 40), all_services=True)
    return Size(stories=12, kills=4, most_kills=8, rounds=1, deaths=12, fault_s=(8, 15), all_services=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Five hundred stories among faults take minutes, and many on a slow machine."""
    limit_s = 1_800 if os.environ.get("WAYWARDEN_DRILLS") == "full" else 600
    for item in items:
        item.add_marker(pytest.mark.timeout(limit_s))


@pytest.fixture
def chance() -> random.Random:
    """Chance whose seed is printed, and can be given again by WAYWARDEN_SEED."""
    seed = int(os.environ.get("WAYWARDEN_SEED") or random.SystemRandom().randrange(2**32))
    print(f"WAYWARDEN_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The production shape, with retries that a drill can wait for, on a broker that drops events as version 4 does."""
    try:
        require("postgresql", "rabbitmq-server")
    except Missing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with temporary() as servers:
        servers.rabbitmq.set_policy("/", BROKER_LIMIT)
        with Stack(tmp_path_factory.mktemp("drilled"), environment=SETTINGS, servers=servers) as running:
            RUNNING.append(running)
            yield running
            RUNNING.remove(running)


@pytest.fixture
def whole(drilled: Stack) -> Stack:
    """The stack with everything up, whatever the drill before left."""
    drilled.servers.postgres.start()
    drilled.servers.rabbitmq.start()
    for process in drilled.processes:
        process.start()
    return drilled


@pytest.fixture(scope="session")
def drilled_embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with Embedded(tmp_path_factory.mktemp("drilled"), environment=SETTINGS) as running:
        RUNNING.append(running)
        yield running
        RUNNING.remove(running)
