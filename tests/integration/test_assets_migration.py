"""Facilities that are there when the registry's migration comes are found by the new ways too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from deploy.migrations import ROOT, migrate
from services.assets import queries
from services.assets.domain.facilities import CodeTaken
from services.assets.queries.codes import ids_of_codes
from services.assets.tables import mapping
from services.assets.use_cases.registry import register_facility
from shared.db import Database

A_POINT = {"type": "Point", "coordinates": [24.94, 60.17]}
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


def a_lamp(number: int, code: str, name: str) -> str:
    """A facility as 0007 has it, found by what its search text was then."""
    columns = {"id": number, "code": f"'{code}'", "name": f"'{name}'", "search": f"'{code.lower()}\n{name.lower()}'"}
    columns |= {"stands_since": "registered_at", "quadkey": 1}
    names, values = ", ".join(columns), ", ".join(map(str, columns.values()))
    others = "kind, geometry, longitude, latitude, west, south, east, north, unit, measure_milli, measure_estimated, "
    others += "attributes, street, condition, defective_milli, revision, registered_at, changed_at"
    return f"INSERT INTO facilities ({names}, {others}) SELECT {values}, {others} FROM facilities WHERE id = 7"


def test_what_was_there_is_found_by_any_spelling_and_twins_stay_two(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    as_in("0001", database.engine, INSERT)
    lamps = [(101, "Ａ－３", "⼈民路"), (102, "Ha\u0308me", "Ha\u0308meentie")]
    lamps += [(103, "B４", "x"), (104, "B4", "y"), (105, "B–４", "z")]
    as_in("0007", database.engine, *(a_lamp(*each) for each in lamps))
    migrate(database.engine, "assets", mapping.metadata)
    assert "'B４' and 'B4'" in caplog.text
    assert "Ａ－３" not in caplog.text
    spellings = {101: ("Ａ－３", "A-3", "A–３"), 102: ("Ha\u0308me", "Häme"), 103: ("B４",), 104: ("B4", "Ｂ4")}
    with database.begin() as session:
        for number, codes in spellings.items():
            for code in codes:
                assert queries.get_facility(session, code).id == number
                assert ids_of_codes(session, [code, "C"]) == {code: number}
        for q, number in {"人民路": 101, "a-3": 101, "häme": 102, "HA\u0308MEENT": 102}.items():
            assert [each.id for each in queries.list_facilities(session, limit=9, q=q).items] == [number]
        lamp: dict[str, Any] = {"kind": "street_light", "geometry": A_POINT, "name": "Ha\u0308"}
        for code in ("A-3", "Ａ-3", "Häme"):
            with pytest.raises(CodeTaken):
                register_facility(session, who="me", code=code, **lamp)
        made = register_facility(session, who="me", code="Ｃ－１", **lamp)
        assert (made.code, made.name, queries.get_facility(session, "C–1")) == ("C-1", "Hä", made)
        assert queries.list_facilities(session, limit=9, code="Ｃ").items == [made]
    database.close()
