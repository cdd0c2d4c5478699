"""Facilities follow areas on PostgreSQL as on SQLite: the same tests with another database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.migrations import migrate
from deploy.servers import Servers
from services.assets.tables import mapping
from shared.db import Database
from tests.unit.test_assets_areas import (
    db,
    test_areas_of_a_file_are_drawn_changed_and_left_alone,
    test_facilities_fall_into_a_district_that_is_drawn_after_them,
    test_facilities_follow_a_district_that_is_redrawn_and_those_that_named_another_do_not,
    test_the_large_cell_follows_the_small_one,
)

__all__ = [
    "db",
    "test_areas_of_a_file_are_drawn_changed_and_left_alone",
    "test_facilities_fall_into_a_district_that_is_drawn_after_them",
    "test_facilities_follow_a_district_that_is_redrawn_and_those_that_named_another_do_not",
    "test_the_large_cell_follows_the_small_one",
]


@pytest.fixture(scope="module")
def one_db(servers: Servers) -> Iterator[Database]:
    database = Database(servers.postgres.create_database("assets_areas"), connections=2)
    migrate(database.engine, "assets", mapping.metadata)
    yield database
    database.close()
    servers.postgres.drop_database("assets_areas")
