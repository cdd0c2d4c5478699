"""The behaviour of assets once more, on PostgreSQL: the same tests with another database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from deploy.servers import Servers
from shared.db import Database
from tests.unit.test_assets_defects import *  # noqa: F403  every test of it
from tests.unit.test_assets_defects import a_city

numbers = count(1)


def a_city_in(servers: Servers) -> Iterator[Database]:
    name = f"assets_{next(numbers)}"
    yield from a_city(servers.postgres.create_database(name))
    servers.postgres.drop_database(name)


@pytest.fixture
def db(servers: Servers) -> Iterator[Database]:  # type: ignore[no-redef]
    yield from a_city_in(servers)


@pytest.fixture(scope="module")
def one_db(servers: Servers) -> Iterator[Database]:  # type: ignore[no-redef]
    yield from a_city_in(servers)
