"""Both ways of running, for one behavioural suite: SQLite with ``memory://``, and PostgreSQL with RabbitMQ.

The standard library is patched here, before pytest imports any test: the services of a test run in its own process.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy import process
from deploy.servers import Missing, Servers, temporary
from deploy.waiting import cooperate
from shared.events.queues import SERVICES
from shared.settings import MEMORY
from tests.integration.toy import World

cooperate()

# The thread that forks may be made of unpatched parts. Its first job must not fork: Python holds a lock meanwhile.
process._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
process._spawner.submit(int).result()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and RabbitMQ; where they are not installed the test is skipped, in CI it fails."""
    try:
        with temporary() as running:
            yield running
    except Missing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))


@pytest.fixture(params=["embedded", "production"])
def shape(request: pytest.FixtureRequest) -> str:
    shape: str = request.param
    return shape


@pytest.fixture
def urls(shape: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Databases of the toy's services, in this shape. On PostgreSQL they are the same for all tests."""
    if shape == "embedded":
        return {name: f"sqlite:///{tmp_path / name}.sqlite" for name in SERVICES}
    postgres = request.getfixturevalue("servers").postgres
    return {name: postgres.create_database(f"toy_{name}") for name in ("inspections", "assets")}


@pytest.fixture
def broker_url(shape: str, request: pytest.FixtureRequest) -> str:
    return MEMORY if shape == "embedded" else request.getfixturevalue("servers").amqp_url


@pytest.fixture
def new_world(urls: dict[str, str], broker_url: str, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds on the same databases and broker: several at once are replicas, one after another a restart."""
    made: list[World] = []

    def make(**settings: object) -> World:
        made.append(World(tmp_path, urls, broker_url, first=not made, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """The toy services, up and serving."""
    return new_world().start()
