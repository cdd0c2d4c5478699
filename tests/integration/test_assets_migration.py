"""Facilities that are there when the registry's migration comes are found by the new ways too."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from deploy.migrations import ROOT, migrate
from services.assets import queries
from services.assets.tables import mapping
from shared.db import Database

FOLDER = ROOT / "services" / "assets" / "migrations"
INSERT = """
INSERT INTO facilities (
    id, code, kind, name, geometry, longitude, latitude, west, south, east, north, unit, measure_milli,
    measure_estimated, attributes, street, condition, defective_milli, revision, registered_at, changed_at
) VALUES (
    7, 'L-7', 'street_light', '路灯', '{"type": "Point", "coordinates": [24.94, 60.17]}', 24.94, 60.17, 24.94, 60.17,
    24.94, 60.17, 'count', 1000, false, '{"network": "storm"}', 'Unioninkatu', 'intact', 0, 1,
    '2026-01-15 21:00:00.000000', '2026-01-15 21:00:00.000000'
)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path}/assets.sqlite", connections=2)
    postgres = request.getfixturevalue("servers").postgres
    postgres.drop_database("assets_migrated")
    return Database(postgres.create_database("assets_migrated"), connections=2)


def as_in(revision: str, engine: Engine, *statements: str) -> None:
    script = ScriptDirectory(str(FOLDER))
    environment = EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs(revision, at))
    with engine.execution_options(writes=True).begin() as connection, environment:
        environment.configure(connection=connection, target_metadata=mapping.metadata, version_table="service_version")
        environment.run_migrations()
        for each in statements:
            connection.execute(text(each))


def test_facilities_that_were_there_are_found_by_text_place_and_attribute(database: Database) -> None:
    as_in("0001", database.engine, INSERT, "INSERT INTO facility_cells (cell, facility_id) VALUES (1, 7)")
    as_in("0002", database.engine, "UPDATE facilities SET search = 'l-7'")
    migrate(database.engine, "assets", mapping.metadata)
    with database.read() as session:
        for asked in (
            {"q": "灯"},
            {"q": "路灯"},
            {"near": (24.94, 60.1701, 50.0)},
            {"attributes": {"network": "storm"}},
        ):
            (found,) = queries.list_facilities(session, limit=10, **asked).items
            assert (found.code, found.stands_since) == ("L-7", found.changed_at)
        assert session.execute(text("SELECT count(*) FROM facility_cells")).scalar() == 0
    database.close()
