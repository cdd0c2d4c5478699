"""Debian's Prometheus scrapes a system while the story plays; then every panel of the dashboards shows something."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
import yaml

from deploy.grafana.panels import DASHBOARDS
from deploy.process import Process, answers, free_port
from deploy.servers import missing, plain_environment
from deploy.stack import ROOT, Embedded, Stack, targets_of
from tests import demo
from tests.client import System, wait_for
from tests.story import Cast, last_night, new_gauge

RULES = ROOT / "deploy" / "prometheus"
PANELS = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard.panels]
OF_THE_LATEST_NIGHT = "waywarden_lamps_day_burning"
SAMPLE_ZONE, NOON = ZoneInfo("Europe/Helsinki"), 12
pytestmark = pytest.mark.skipif(bool(missing("prometheus")) and not os.environ.get("CI"), reason="no Prometheus here")


class Prometheus(Process):
    """With the configuration that we ship, but often, and for these targets."""

    def __init__(self, folder: Path, running: Embedded | Stack) -> None:
        self.port = free_port()
        shipped = yaml.safe_load((RULES / "stack.yml").read_text())
        shipped["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        shipped["scrape_configs"][0]["file_sd_configs"] = [{"files": [str(folder / "targets.json")]}]
        (folder / "targets.json").write_text(json.dumps(targets_of(running)))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(shipped))
        shutil.copy(RULES / "rules.yml", folder)
        command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        command.append(f"--web.listen-address=127.0.0.1:{self.port}")
        super().__init__(
            "prometheus", command, log=folder / "prometheus.log", ready=lambda: answers(self.port),
            environment=plain_environment(), folder=folder,
        )  # fmt: skip

    def ask(self, path: str, **query: str) -> Any:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
            return json.loads(connection.getresponse().read())["data"]

    def values(self, query: str) -> list[Any]:
        return list(self.ask("query", query=query)["result"])


@pytest.fixture(scope="module", params=["embedded", "stack"])
def prometheus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    running: Embedded | Stack = request.getfixturevalue(request.param)
    made = Prometheus(tmp_path_factory.mktemp("prometheus"), running)
    made.start()
    try:
        with closing(System.of(running)) as system:
            demo.tell(system)
            tell_of_devices(Cast(system))
        yield made
    finally:
        made.stop()


def tell_of_devices(cast: Cast) -> None:
    """A lamp's controller tells of this night and of the one before, and a gauge has to speak within the hour."""
    (lamp,) = cast.lamps(1)
    told = [last_night() - timedelta(days=days) for days in (0, 1)]
    states = [{"facility_code": lamp["code"], "at": at.isoformat(), "lit": True} for at in told]
    cast.device.post("/lamp-states", {"states": states})
    cast.admin.patch(f"/sensors/{new_gauge(cast.admin, None)['code']}", {"expected_every_s": 3_600})


def test_every_target_is_scraped(prometheus: Prometheus) -> None:
    def healthy() -> bool:
        targets = prometheus.ask("targets")["activeTargets"]
        return bool(targets) and all(each["health"] == "up" for each in targets)

    wait_for(healthy, lambda: f"all up: {prometheus.ask('targets')}", 30)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{name}: {panel.en}" for name, panel in PANELS])
def test_a_panel_shows_something_while_the_story_plays(prometheus: Prometheus, dashboard: str, panel: Any) -> None:
    if OF_THE_LATEST_NIGHT in panel.query and (datetime.now(SAMPLE_ZONE).hour >= NOON or is_night()):
        pytest.skip("But for the hours from sunrise to noon the latest night ended before these lamps were registered.")
    wait_for(lambda: numbers(prometheus, panel.query), f"{dashboard}: {panel.query}", 60)


def is_night() -> bool:
    """Whether the present night may still be under way; ``last_night`` is at least an hour before sunrise."""
    return datetime.now(UTC) - last_night() < timedelta(hours=2)


def numbers(prometheus: Prometheus, query: str) -> list[Any]:
    """A rate is no number until there were requests between two scrapes."""
    return [each for each in prometheus.values(query) if each["value"][1] != "NaN"]


def test_no_alarm_sounds_on_a_system_that_is_well(prometheus: Prometheus) -> None:
    assert prometheus.ask("rules")["groups"]
    assert not prometheus.values('ALERTS{alertstate="firing", severity="critical"}')
