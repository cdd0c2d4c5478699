"""What the migrations make is what the tables declare, on both engines, for the kernel and every service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, Index, MetaData, UniqueConstraint, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from deploy.migrations import alone, migrate, upgrade
from deploy.services import SERVICE_CLASSES
from shared.db import Database, kernel
from tests.client import wait_for


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


# --- while others work


class History:
    """A history of a test's own, on PostgreSQL."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.database = folder, Database(url, connections=4)
        (folder / "versions").mkdir(parents=True)
        self.steps = 0
        self.metadata = MetaData()

    def add(self, *lines: str) -> None:
        self.steps += 1
        imports = ["import sqlalchemy as sa", "from alembic import op", "from shared import migrating"]
        ids = [f"revision = '{self.steps}'", f"down_revision = {str(self.steps - 1) if self.steps > 1 else None!r}"]
        body = ["def upgrade():", *(f"    {line}" for line in lines)]
        (self.folder / "versions" / f"{self.steps}.py").write_text("\n".join([*imports, *ids, *body, ""]))

    def upgrade(self, patience_s: float = 30) -> None:
        with alone(self.database.engine) as connection:
            upgrade(connection, self.folder, self.metadata, "test_version", patience_s)

    def scalar(self, sql: str) -> Any:
        with self.database.read() as session:
            return session.scalar(text(sql))


@pytest.fixture
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    postgres = request.getfixturevalue("servers").postgres
    postgres.drop_database("history")
    made = History(tmp_path / "history", postgres.create_database("history"))
    made.add("op.create_table('things', sa.Column('id', sa.Integer, primary_key=True), sa.Column('size', sa.Integer))")
    made.upgrade()
    with made.database.begin() as session:
        session.execute(text("INSERT INTO things SELECT each, NULL FROM generate_series(1, 12000) AS each"))
    yield made
    made.database.close()


def test_a_migration_that_waits_for_a_table_lets_others_pass(history: History) -> None:
    """It would else stand in the queue for the table, and all who come after it behind it."""
    history.add("op.add_column('things', sa.Column('colour', sa.Text))")
    with history.database.begin() as reader, ThreadPoolExecutor(1) as beside:
        reader.execute(text("SELECT 1 FROM things LIMIT 1"))
        migrating = beside.submit(history.upgrade)
        wait_for(lambda: history.scalar(WAITING), lambda: "the migration waits", 20)
        assert history.scalar("SELECT count(*) FROM things") == 12_000
        assert not migrating.done()
        reader.commit()
        migrating.result(timeout=30)
    assert history.scalar("SELECT count(colour) FROM things") == 0


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"


def test_a_migration_that_gets_no_lock_gives_up_and_can_be_run_again(history: History) -> None:
    history.add("op.add_column('things', sa.Column('colour', sa.Text))")
    with history.database.begin() as reader:
        reader.execute(text("SELECT 1 FROM things LIMIT 1"))
        with pytest.raises(OperationalError, match="lock timeout"):
            history.upgrade(patience_s=0)
    history.upgrade()
    assert history.scalar("SELECT version_num FROM test_version") == "2"


def test_an_index_is_built_while_others_write_and_what_a_try_left_is_built_anew(history: History) -> None:
    history.add("migrating.create_index('ix_things_size', 'things', ['size'])")
    with history.database.begin() as writer:  # it is waited for, but does not wait
        writer.execute(text("UPDATE things SET size = 1 WHERE id = 1"))
        with ThreadPoolExecutor(1) as beside:
            building = beside.submit(history.upgrade)
            wait_for(lambda: history.scalar(HALF), lambda: "half an index", 20)
            with history.database.begin() as other:
                other.execute(text("UPDATE things SET size = 2 WHERE id = 2"))
            history.scalar(f"SELECT pg_terminate_backend(pid) FROM ({BUILDER}) AS builder")
            with pytest.raises(SQLAlchemyError):
                building.result(timeout=30)
    assert history.scalar(HALF) == 1
    history.upgrade()
    assert history.scalar(HALF) == 0
    assert history.scalar("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_things_size'") == 1


HALF = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
BUILDER = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'"


def test_rows_are_changed_in_batches_and_a_broken_off_migration_goes_on(history: History) -> None:
    history.add("migrating.in_batches('things', 'size = 12 / (12000 - id)', 'size IS NULL')")
    with pytest.raises(DBAPIError, match="division by zero"):
        history.upgrade()
    assert history.scalar("SELECT count(size) FROM things") == 10_000
    with history.database.begin() as session:
        session.execute(text("UPDATE things SET size = 7 WHERE id = 12000"))
    history.upgrade()
    assert history.scalar("SELECT count(*) FROM things WHERE size IS NULL") == 0
    assert history.scalar("SELECT size FROM things WHERE id = 12000") == 7


def test_replicas_that_migrate_at_once_take_turns(history: History) -> None:
    for number in range(3):
        history.add(f"op.add_column('things', sa.Column('more_{number}', sa.Text))")
    with ThreadPoolExecutor(4) as beside:
        for each in [beside.submit(history.upgrade) for _ in range(4)]:
            each.result(timeout=30)
    assert history.scalar("SELECT version_num FROM test_version") == "4"
