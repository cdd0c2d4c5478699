"""Lamps once more, on PostgreSQL: the same tests with another database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.servers import Servers
from shared.db import Database
from tests.unit.test_assets_lamps import *  # noqa: F403  every test of it
from tests.unit.test_assets_lamps import an_empty_city


@pytest.fixture(scope="module")  # type: ignore[no-redef]
def one_db(servers: Servers) -> Iterator[Database]:
    yield from an_empty_city(servers.postgres.create_database("assets_lamps"))
    servers.postgres.drop_database("assets_lamps")
