"""What Prometheus reads stands whatever is wrong with one part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.exposition import Collect, exposition
from deploy.migrations import migrate
from deploy.readiness import Readiness
from deploy.services import SERVICE_CLASSES
from services.assets import figures as figures_of_assets
from services.assets.domain.catalogue import NoCatalogue, running
from services.assets.domain.sections import CatalogueError
from shared.db import Database


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, Database]]:
    names = ("assets", "alerts")
    with closing(Database(f"sqlite:///{tmp_path}/a", 2)) as one, closing(Database(f"sqlite:///{tmp_path}/b", 2)) as two:
        databases = dict(zip(names, (one, two), strict=True))
        for name, database in databases.items():
            migrate(database.engine, name, SERVICE_CLASSES[name].metadata)
        yield databases


def well(session: Session) -> Iterator[Metric]:
    yield GaugeMetricFamily("well", "Well.", value=1)


def raising(session: Session) -> Iterator[Metric]:
    yield GaugeMetricFamily("before", "Before.", value=1)
    raise NoCatalogue("There is none.")


def refused_by_the_database(session: Session) -> Iterator[Metric]:
    yield GaugeMetricFamily("before", "Before.", value=1)
    session.execute(text("SELECT sum(x) FROM nowhere"))


def beyond_a_float(session: Session) -> Iterator[Metric]:
    yield GaugeMetricFamily("before", "Before.", value=1)
    yield GaugeMetricFamily("huge", "More than a float holds.", value=10**400)


@pytest.mark.parametrize("broken", [raising, refused_by_the_database, beyond_a_float])
def test_a_figure_that_fails_takes_none_with_it_that_came_before_and_none_of_others(
    databases: dict[str, Database], broken: Collect
) -> None:
    said = exposition(databases, {"assets": broken, "alerts": well}, Readiness(databases)).decode()
    for line in ("before 1.0", "well 1.0", *(f'waywarden_database_up{{service="{each}"}} 1.0' for each in databases)):
        assert line in said.splitlines()
    assert 'waywarden_outbox_pending{service="assets"} 0.0' in said


def test_without_a_catalogue_it_is_told_that_the_file_is_refused(
    databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "catalogue", None)
    monkeypatch.setattr(running, "refused", CatalogueError("city.toml", 1, "", "is wrong."))
    said = exposition(databases, {"assets": figures_of_assets.collect, "alerts": well}, Readiness(databases)).decode()
    assert "waywarden_catalogue_refused 1.0" in said
    assert "# TYPE waywarden_facilities gauge" in said
