"""The behaviour of assets once more, on PostgreSQL: the same tests with another database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.servers import Servers
from shared import clock
from shared.db import Database
from tests.unit.test_assets_defects import *  # noqa: F403  every test of it
from tests.unit.test_assets_defects import NIGHT, a_city, found_anew
from tests.unit.test_assets_rates import *  # noqa: F403


@pytest.fixture(scope="module")  # type: ignore[no-redef]
def one_db(servers: Servers) -> Iterator[Database]:
    yield from a_city(servers.postgres.create_database("assets_behaviour"))
    servers.postgres.drop_database("assets_behaviour")


@pytest.fixture  # type: ignore[no-redef]
def db(one_db: Database) -> Iterator[Database]:
    with clock.frozen(NIGHT):
        found_anew(one_db)
        yield one_db
