"""Brings databases up to date, with Alembic: one history for the kernel's tables, one for each service's."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, text

from shared.db import kernel

ROOT = Path(__file__).parent.parent


def migrate(engine: Engine, service: str, metadata: MetaData) -> None:
    """Bring a service's database up to date: the kernel's history first, then the service's own."""
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(1463900503)"))  # replicas start together
        _upgrade(connection, ROOT / "shared" / "migrations", kernel, "kernel_version")
        _upgrade(connection, ROOT / "services" / service / "migrations", metadata, "service_version")


def _upgrade(connection: Connection, folder: Path, metadata: MetaData, version_table: str) -> None:
    script = ScriptDirectory(str(folder))
    with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs("head", at)) as environment:
        environment.configure(connection=connection, target_metadata=metadata, version_table=version_table)
        environment.run_migrations()
