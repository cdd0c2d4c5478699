"""Brings databases up to date, with Alembic: one history for the kernel's tables, one for each service's.

Old replicas go on working meanwhile. So on PostgreSQL each migration is a transaction of its own, none waits long for a
lock, since all who come after it would wait behind it, and those that did not get theirs are tried again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from deploy.settings import UnusableSettings
from shared.db import Database, kernel
from shared.settings import Settings

ROOT = Path(__file__).parent.parent
TURN = 1_463_900_503  # PostgreSQL's lock by which those who migrate take turns
LOCK_TIMEOUT_S = 0.5  # nobody else waits longer than this behind a migration that waits for its lock
PATIENCE_S = 600
PAUSE_S = 1
NO_LOCK = {"55P03", "40P01"}  # lock_not_available, deadlock_detected


def open_begun(chosen: Settings, service: str) -> Database:
    """A service's database that was begun before, for a command; makes nothing. Raises UnusableSettings."""
    url = make_url(chosen.database_urls[service])
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise UnusableSettings(f"There is no {url.database}. Was the system started with this DATA=?")
    database = Database(chosen.database_urls[service], connections=2, patient=True)
    if not inspect(database.engine).has_table("outbox"):
        database.close()
        raise UnusableSettings(f"The database of {service} has no tables. Was the system started with this DATA=?")
    return database


def migrate(engine: Engine, service: str, metadata: MetaData) -> None:
    """Bring a service's database up to date: the kernel's history first, then the service's own.

    Raises OperationalError where a lock that a migration needs was not to be had for PATIENCE_S.
    """
    own = ROOT / "services" / service / "migrations"
    with alone(engine) as connection:
        upgrade(connection, ROOT / "shared" / "migrations", kernel, "kernel_version")
        upgrade(connection, own, metadata, "service_version")


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A connection of one's own; replicas that start together wait for each other. It dies with what it holds."""
    with engine.execution_options(writes=True).connect() as connection:
        if engine.dialect.name == "postgresql":
            for setting in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET {setting} = 0"))
            connection.execute(text(f"SELECT pg_advisory_lock({TURN})"))
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            connection.commit()
        try:
            yield connection
        finally:
            if engine.dialect.name == "postgresql":
                connection.invalidate()


def upgrade(
    connection: Connection, folder: Path, metadata: MetaData, version_table: str, patience_s: float = PATIENCE_S
) -> None:
    """Take the steps that a history still lacks, and those again that did not get their lock."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _upgrade(connection, folder, metadata, version_table)
        except OperationalError as failure:
            connection.rollback()
            if getattr(failure.orig, "pgcode", None) not in NO_LOCK or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)


def _upgrade(connection: Connection, folder: Path, metadata: MetaData, version_table: str) -> None:
    script = ScriptDirectory(str(folder))
    how: dict[str, Any] = {"target_metadata": metadata, "version_table": version_table}
    how["transaction_per_migration"] = connection.dialect.name == "postgresql"  # SQLite locks out everybody anyway
    with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs("head", at)) as environment:
        environment.configure(connection=connection, **how)
        with environment.begin_transaction():
            environment.run_migrations()
    connection.commit()
