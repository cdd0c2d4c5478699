"""What the migrations make is what the tables declare, on both engines, for the kernel and every service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, Index, MetaData, UniqueConstraint, inspect

from deploy.migrations import migrate
from deploy.services import SERVICE_CLASSES
from shared.db import Database, kernel


@pytest.fixture(params=SERVICE_CLASSES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(service: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/{service}.sqlite"
    if request.param == "postgresql":
        postgres = request.getfixturevalue("servers").postgres
        postgres.drop_database(f"migrated_{service}")
        url = postgres.create_database(f"migrated_{service}")
    database = Database(url, connections=2)
    migrate(database.engine, service, SERVICE_CLASSES[service].metadata)
    yield database.engine
    database.close()


def differences(engine: Engine, service: str) -> list[Any]:
    versions = {"kernel_version", "service_version"}
    both = [kernel, SERVICE_CLASSES[service].metadata]
    with engine.connect() as connection:
        options = {
            "include_name": lambda name, kind, _: kind != "table" or name not in versions,
            "include_object": lambda thing, _name, kind, *_: kind != "index" or made_on(thing, engine),
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), both))  # type: ignore[arg-type]


def made_on(index: Index, engine: Engine) -> bool:
    """Kinds of indexes that only PostgreSQL has are made there only."""
    return engine.dialect.name == "postgresql" or not index.dialect_options["postgresql"]["using"]


def test_migrations_make_the_tables_that_are_declared(engine: Engine, service: str) -> None:
    assert differences(engine, service) == []


def test_migrations_make_the_constraints_that_are_declared(engine: Engine, service: str) -> None:
    """Alembic compares no check constraints, and SQLite no names of others."""
    found = inspect(engine)
    for table in [*kernel.sorted_tables, *SERVICE_CLASSES[service].metadata.sorted_tables]:
        checks = {each.name for each in table.constraints if isinstance(each, CheckConstraint) and each.name}
        assert {each["name"] for each in found.get_check_constraints(table.name)} == checks, table.name
        unique = {
            tuple(sorted(each.columns.keys())) for each in table.constraints if isinstance(each, UniqueConstraint)
        }
        made = {tuple(sorted(each["column_names"])) for each in found.get_unique_constraints(table.name)}
        assert made == unique, table.name
        assert found.get_pk_constraint(table.name)["constrained_columns"] == list(table.primary_key.columns.keys())


def test_migrating_again_changes_nothing(engine: Engine, service: str) -> None:
    migrate(engine, service, SERVICE_CLASSES[service].metadata)
    assert differences(engine, service) == []


def test_no_two_services_share_a_table(service: str) -> None:
    own: MetaData = SERVICE_CLASSES[service].metadata
    assert not set(own.tables) & set(kernel.tables)
    assert all(other.metadata is not own for name, other in SERVICE_CLASSES.items() if name != service)
