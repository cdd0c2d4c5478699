"""A service whose database went back counts on where others are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from deploy.restored import OWN, STEP, count_on
from deploy.services import SERVICE_CLASSES
from services.alerts import tables as alerts
from services.assets import tables, use_cases
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import FILE
from shared.db import Database
from shared.events import Event
from shared.outbox import outbox
from tests.integration.databases import ENGINES, left_as_found, migrated

COPIES = {
    "assets": {"facility_orders", "catalogue_editions"},  # an edition's revision is its key: the next one is raised
    "inspections": {"catalogue_copies", "areas", "finding_orders", "former_codes"},
    "workorders": {"areas", "units", "catalogues", "former_codes"},
    "alerts": {"areas", "catalogue"},
}
A, B = uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SQUARE = {"type": "Polygon", "coordinates": [[[24, 60], [25, 60], [25, 61], [24, 61], [24, 60]]]}


@pytest.mark.parametrize("service", SERVICE_CLASSES)
def test_whatever_has_a_revision_is_raised_or_is_a_copy(service: str) -> None:
    counted = {each.name for each in SERVICE_CLASSES[service].metadata.sorted_tables if "revision" in each.c}
    raised = {each.name for each in OWN[service]}
    assert raised | COPIES[service] == counted
    assert not raised & COPIES[service]


@pytest.fixture(scope="module", params=ENGINES)
def made_assets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def assets(made_assets: Database) -> Iterator[Database]:
    with left_as_found(made_assets, tables.mapping.metadata) as database:
        yield database


def told(database: Database, since: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """The events after so many."""
    with database.read() as session:
        rows = session.execute(select(outbox.c.event_type, outbox.c.body).order_by(outbox.c.id)).all()
    return [(Event.known[kind].__name__, json.loads(body)["data"]) for kind, body in rows][since:]


def test_what_is_changed_after_a_restore_is_newer_than_what_others_heard_before(assets: Database) -> None:
    with assets.begin() as session:
        use_cases.publish_catalogue(session, FILE.read_text())
        use_cases.add_area(session, level=Level.DISTRICT, code="d", name="Bay", geometry=SQUARE)
        use_cases.add_area(session, level=Level.GRID, code="g", name="1", geometry=SQUARE)
        use_cases.add_unit(session, code="u", name="Lights", name_zh="", roles=["owner"])
    before = len(told(assets))
    with assets.begin() as session:
        count_on(session, "assets")
    again = [(kind, said.get("code"), said["revision"]) for kind, said in told(assets, before)]
    assert sorted(again, key=str) == [
        ("AreaChanged", "d", STEP + 1), ("AreaChanged", "g", STEP + 1), ("CataloguePublished", None, STEP + 1),
        ("UnitChanged", "u", STEP + 1),
    ]  # fmt: skip
    with assets.begin() as session:
        use_cases.change_unit(session, "u", changes={"name": "Lamps"}, expected=STEP + 1)
        assert use_cases.publish_catalogue(session, FILE.read_text()) == STEP + 1  # nothing new
    (kind, unit) = told(assets)[-1]
    assert (kind, unit["name"], unit["revision"]) == ("UnitChanged", "Lamps", STEP + 2)


@pytest.fixture(params=ENGINES)
def gauges(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "alerts", alerts.mapping.metadata) as database:
        yield database


def an_alert(source: str, active: bool) -> dict[str, Any]:
    return {
        "source": source, "kind": "water_level", "severity": "severe", "since": NOON, "recorded_at": NOON,
        "value": 40.0, "unit": "cm", "longitude": 24.9, "latitude": 60.1, "active": active, "acknowledged": False,
        "escalations": 0, "revision": 3, "cleared_at": None if active else NOON + timedelta(hours=1),
    }  # fmt: skip


def test_alerts_that_stand_after_a_restore_are_told_of_again(gauges: Database) -> None:
    with gauges.begin() as session:
        session.execute(insert(alerts.alerts), [an_alert("a", True) | {"id": A}, an_alert("b", False) | {"id": B}])
    with gauges.begin() as session:
        count_on(session, "alerts")
    ((kind, said),) = told(gauges)
    assert (kind, said["source"], said["active"], said["revision"]) == ("AlertMoved", "a", True, STEP + 3)
