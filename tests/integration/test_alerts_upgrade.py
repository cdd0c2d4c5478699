"""What a former version left behind, and two replicas at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from deploy.migrations import ROOT, migrate
from services.alerts.domain.alerts import SILENCE
from services.alerts.tables import mapping
from services.alerts.use_cases import places, sensors, watching
from services.alerts.use_cases.holding import lock_open, lock_sensors
from shared import clock
from shared.db import Database
from tests.integration.gauges import NOON, all_alerts, assert_recount_agrees, change, reading, register, send, watch
from tests.integration.test_alerts_floods import district

SENSOR = """
INSERT INTO sensors (code, kind, unit, longitude, latitude, name, district, thresholds, margin, dwell_s,
    expected_every_s, last_at, last_value, dismissed, revision)
VALUES ('{code}', 'water_level', 'cm', 24.94, 60.17, '', {district}, '[{{"severity": "minor", "at": 5.0}},
    {{"severity": "critical", "at": 50.0}}]', 2, 300, {every}, '2026-03-02 12:00:00.000000+00', {level}, {dismissed}, 1)
"""
ALERT = """
INSERT INTO alerts (id, source, kind, severity, since, recorded_at, value, unit, longitude, latitude, district, active,
    acknowledged, acknowledged_at, acknowledged_by, acknowledged_severity, escalations, revision)
VALUES ('{id}', 'taken', 'water_level', 'critical', '2026-03-02 12:00:00.000000+00', '2026-03-02 12:00:00.000000+00',
    80, 'cm', 24.94, 60.17, NULL, {true}, {true}, '2026-03-02 12:01:00.000000+00', 'controller-1', 'minor', 0, 3)
"""
TALLY = """
INSERT INTO tallies (figure, labels, amount)
VALUES ('alerts_active', 'water_level\x1fcritical\x1f\x1ftrue', 1)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/alerts.sqlite"
    if request.param == "postgresql":
        postgres = request.getfixturevalue("servers").postgres
        postgres.drop_database("alerts_upgraded")
        url = postgres.create_database("alerts_upgraded")
    made = Database(url, connections=4)
    with clock.frozen(NOON):
        yield made
    made.close()


def begin_with(revision: str, engine: Engine) -> None:
    script = ScriptDirectory(str(ROOT / "services" / "alerts" / "migrations"))
    environment = EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs(revision, at))
    with engine.execution_options(writes=True).begin() as connection, environment:
        environment.configure(connection=connection, target_metadata=mapping.metadata, version_table="service_version")
        environment.run_migrations()


def test_what_a_former_version_hid_or_left_taken_speaks_after_the_upgrade(empty: Database) -> None:
    begin_with("0001", empty.engine)
    sqlite = empty.engine.dialect.name == "sqlite"
    alert_id = "0198a7c4000070008000000000000003"
    with empty.engine.execution_options(writes=True).begin() as connection:
        for sensor in (
            {"code": "hidden", "district": "'south'", "every": "NULL", "level": 80, "dismissed": "'minor'"},
            {"code": "taken", "district": "NULL", "every": "NULL", "level": 80, "dismissed": "NULL"},
            {"code": "mute", "district": "NULL", "every": 60, "level": 1, "dismissed": "NULL"},
        ):
            row = SENSOR.format(**sensor)
            connection.execute(text((row.replace("+00'", "'") if sqlite else row).replace(":", "\\:")))
        row = ALERT.format(id=alert_id, true="1" if sqlite else "true")
        connection.execute(text((row.replace("+00'", "'") if sqlite else row).replace(":", "\\:")))
    migrate(empty.engine, "alerts", mapping.metadata)
    with empty.begin() as session:
        session.execute(text(TALLY))
    assert watch(empty, 5) == ["hidden", "mute", "taken"]
    assert {(each.source, each.kind, each.acknowledged) for each in all_alerts(empty)} == {
        ("hidden", "water_level", False), ("mute", SILENCE, False), ("taken", "water_level", False),
    }  # fmt: skip
    with empty.begin() as session:
        places.keep_areas(session, [district("west", 24.9, 25.0)])
    assert {each.source: each.district for each in all_alerts(empty)} == {
        "hidden": "south", "mute": "west", "taken": "west",
    }  # fmt: skip
    assert watch(empty, 5) == []


@pytest.fixture
def database(empty: Database) -> Database:
    migrate(empty.engine, "alerts", mapping.metadata)
    return empty


def is_postgres(database: Database) -> bool:
    return database.engine.dialect.name == "postgresql"


def test_a_sensor_that_another_replica_holds_keeps_the_watch_from_no_other(database: Database) -> None:
    for code in ("held", "free"):
        register(database, code, expected_every_s=60)
    if not is_postgres(database):
        pytest.skip("SQLite has one writer")
    with clock.frozen(NOON + timedelta(hours=1)):
        with database.begin() as paused:
            lock_sensors(paused, ["held"])
            with database.begin() as session:
                watching.settle(session, ["free", "held"], 1e6)
        assert [each.source for each in all_alerts(database)] == ["free"]
        with database.begin() as session:
            watching.settle(session, ["free", "held"], 1e6)
    assert sorted(each.source for each in all_alerts(database)) == ["free", "held"]


def test_an_alert_that_somebody_holds_keeps_the_watch_from_no_other(database: Database) -> None:
    for code in ("held", "free"):
        register(database, code, expected_every_s=60)
        send(database, reading(6, 0, code))
    if not is_postgres(database):
        pytest.skip("SQLite has one writer")
    with clock.frozen(NOON + timedelta(hours=1)):
        with database.begin() as paused:
            lock_open(paused, ["held"])
            with database.begin() as session:
                watching.settle(session, ["free", "held"], 1e6)
        assert [each.source for each in all_alerts(database) if each.kind == SILENCE] == ["free"]
        with database.begin() as session:
            watching.settle(session, ["held"], 1e6)
    assert sorted(each.source for each in all_alerts(database) if each.kind == SILENCE) == ["free", "held"]


def test_two_replicas_that_watch_read_draw_and_change_at_once_end_right(database: Database) -> None:
    """Whatever waits for whatever, nothing deadlocks, doubles or is missed."""
    codes = [f"g-{number}" for number in range(12)]
    for code in codes:
        register(database, code, district=None, expected_every_s=60)
    later = NOON + timedelta(hours=1)

    def replica(number: int) -> None:
        for turn in range(6):
            with database.begin() as session:
                watching.settle(session, watching.find_due(session, 1e6), 1e6)
            with database.begin() as session:
                sensors.change_sensor(session, code=codes[turn + number], district=None, margin=float(turn % 3))
            with database.begin() as session:
                places.keep_areas(session, [district(f"d-{turn % 2}", 24.9, 25.0, turn + 1)])
            send(database, *(reading(60, 60 + turn, code) for code in sorted(codes, reverse=bool(number))))

    with clock.frozen(later), ThreadPoolExecutor(2) as both:
        list(both.map(replica, range(2)))
    assert sorted((each.source, each.district) for each in all_alerts(database) if each.kind != SILENCE) == sorted(
        (code, "d-0") for code in codes
    )
    change(database, "g-0", minute=66, expected_every_s=None)
    assert_recount_agrees(database)
