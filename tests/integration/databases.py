"""A service's database on each engine, made once for a file of tests and emptied after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import MetaData, select

from deploy.migrations import migrate
from shared.db import Database, kernel

ENGINES = ("sqlite", "postgres")


@contextmanager
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: str, metadata: MetaData
) -> Iterator[Database]:
    """The service's database on the engine that the fixture's parameter names, as its migrations leave it."""
    name = f"{service}_of_{request.module.__name__.rpartition('.')[2]}"
    url = f"sqlite:///{tmp_path_factory.mktemp(service) / name}.sqlite"
    if request.param == "postgres":
        server = request.getfixturevalue("servers").postgres
        server.drop_database(name)
        url = server.create_database(name)
    database = Database(url, connections=4)
    migrate(database.engine, service, metadata)
    yield database
    database.close()


@contextmanager
def left_as_found(database: Database, metadata: MetaData) -> Iterator[Database]:
    """Lend the database; afterwards every table holds what the migrations put there, and nothing else."""
    seeds = dict(_seeds(database, metadata))
    yield database
    with database.begin() as session:
        for table in reversed([*metadata.sorted_tables, *kernel.sorted_tables]):
            session.execute(table.delete())
        for table in metadata.sorted_tables:
            if rows := seeds.get(table.name):
                session.execute(table.insert(), rows)


def _seeds(database: Database, metadata: MetaData) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with database.read() as session:
        for table in metadata.sorted_tables:
            yield table.name, [dict(row) for row in session.execute(select(table)).mappings()]
