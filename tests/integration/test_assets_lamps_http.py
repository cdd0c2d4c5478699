"""A lamp's night over HTTP, on both engines: its schedule, its states, the rate, the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nameko.containers import ServiceContainer
from sqlalchemy import select
from werkzeug.test import Client

from deploy import settings
from deploy.keys import make_keys
from deploy.site import Site
from services.assets import figures
from services.assets.domain.areas import Level
from services.assets.service import Assets
from services.assets.tables import facilities
from services.assets.use_cases import metering, register_facilities
from services.assets.use_cases.areas import add_area
from shared import clock
from shared.auth import Keys, User
from shared.db import Database
from tests.integration.databases import ENGINES, migrated

MORNING = datetime(2026, 1, 16, 9, 30, tzinfo=UTC)
EVENING = datetime(2026, 1, 15, 13, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
API = "/api/v1"


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as made:
        with made.begin() as session:
            register_facilities(session, [a_lamp("L-1"), a_lamp("L-2"), a_lamp("L-3", kind="landscape_light")], who="a")
        yield made


def a_lamp(code: str, **more: Any) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [24.94, 60.17]}
    return {"code": code, "kind": "street_light", "geometry": place, "district": "centre", "maintainer": "South"} | more


class Caller:
    """A client that may call the service as anybody."""

    def __init__(self, database: Database, folder: Path) -> None:
        make_keys(folder / "keys")
        self.keys, site = Keys(folder / "keys"), Site()
        chosen, databases = replace(settings.load(), data=folder), {"assets": database}
        config = {"settings": chosen, "databases": databases, "site": site, "keys": self.keys, "max_workers": 4}
        self.container = ServiceContainer(Assets, config=config)
        for extension in self.container.extensions:
            extension.setup()
        self.client = Client(site)

    def __call__(self, method: str, path: str, body: Any = None, *, role: str = "operator", status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.keys.sign(User(f'a {role}', role))}"}
        more = {"json": body} if body is not None else {}
        answer = self.client.open(API + path, method=method, headers=headers, **more)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()


@pytest.fixture
def call(database: Database, tmp_path: Path) -> Iterator[Caller]:
    with clock.frozen(MORNING):
        yield Caller(database, tmp_path)


def states() -> list[dict[str, Any]]:
    """L-1 burns all night, L-2 stays dark, L-3 burns beyond midnight, and one lamp is none of ours."""
    times = [EVENING + number * HALF_AN_HOUR for number in range(35)]
    lit = {"L-1": (0, 35), "L-2": (0, 0), "L-3": (0, 25), "nobody's": (0, 0)}
    return [
        {"facility_code": code, "at": at.isoformat(), "lit": begin <= number < end, "power_w": 40, "controller": "C-7"}
        for code, (begin, end) in lit.items()
        for number, at in enumerate(times)
    ]


def test_a_night_from_its_schedule_to_its_rate(call: Caller, database: Database) -> None:
    assert [each["code"] for each in call("GET", "/lighting-schedules")["items"]] == ["city"]
    landscape = {"code": "landscape", "kinds": ["landscape_light"], "hours": {"off_at": "00:00"}}
    assert call("POST", "/lighting-schedules", landscape, status=201)["revision"] == 1
    holiday = {"reason": "a holiday", "from": "2026-02-01", "to": "2026-02-02", "hours": {"burns": "all_night"}}
    assert call("PATCH", "/lighting-schedules/landscape", {"exceptions": [holiday]})["revision"] == 2
    planned = call("GET", "/lighting-schedules/landscape/nights?from=2026-01-15&to=2026-02-01")["items"]
    assert planned[0]["burning"] == [{"on_at": "2026-01-15T16:05:00+02:00", "off_at": "2026-01-16T00:00:00+02:00"}]
    assert planned[-1]["reasons"][1] == "exception: a holiday"

    taken = call("POST", "/lamp-states", {"states": states()}, role="device", status=202)
    assert (taken["accepted"], {each["index"] for each in taken["rejected"]}) == (105, set(range(105, 140)))
    call("POST", "/lamp-states", {"states": states()}, role="operator", status=403)
    with database.begin() as session:
        assert metering.reckon_nights(session) == 3

    rates = {each["kind"]: each for each in call("GET", "/rates?rate=light_on_metered&by=maintainer")["items"]}
    street, garden = rates["street_light"], rates["landscape_light"]
    assert (street["key"], street["numerator"], street["denominator"]) == ("South", 1008, 2016)
    assert (garden["ratio"], garden["denominator"], garden["lamps_unknown"]) == (1.0, 475, 0)
    assert street["target"] == 0.98
    with database.read() as session:
        samples = [sample for metric in figures.collect(session) for sample in metric.samples]
    shown = {(each.name, *each.labels.values()): each.value for each in samples}
    assert shown["waywarden_light_on_ratio", "metered", "street_light", "centre"] == 0.5
    assert shown["waywarden_lamps_unknown", "metered", "street_light", "centre"] == 0
    assert shown["waywarden_lamps_unknown", "sampled", "street_light", "centre"] == 2
    assert shown["waywarden_lamps_silent", "landscape_light", "centre"] == 1
    (burner,) = call("GET", "/lamp-states?silent=true&kind=landscape_light")["items"]
    assert (burner["facility_code"], burner["lit"], burner["controller"]) == ("L-3", False, "C-7")
    (night,) = call("GET", "/lamp-states/L-2/nights")["items"]
    assert (night["schedule"], night["planned_min"], night["lit_min"]) == ("city", 1008, 0)


def test_a_metered_rate_leads_to_the_very_lamps_behind_it(call: Caller, database: Database) -> None:
    told = [each for each in states() if each["facility_code"] in ("L-1", "L-2")]
    dumb = {"code": "L-4", "kind": "landscape_light", "geometry": {"type": "Point", "coordinates": [24.9, 60.2]}}
    call("POST", "/facilities", dumb, status=201)
    call("POST", "/lamp-states", {"states": told}, role="device", status=202)
    with database.begin() as session:
        metering.reckon_nights(session)
    rates = call("GET", "/rates?rate=light_on_metered&by=district&window_days=2&owner=")["items"]
    (rate,) = [each for each in rates if each["kind"] == "street_light"]

    def nights(address: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = call("GET", f"{address.removeprefix(API)}&limit=1&{cursor and f'cursor={cursor}'}".rstrip("&"))
            found, cursor = found + page["items"], page["next"]
        return found

    counted, lacking = (nights(rate["facilities"][name]) for name in ("counted", "lacking"))
    assert [(each["night"], each["facility_code"]) for each in counted] == [("2026-01-15", c) for c in ("L-1", "L-2")]
    assert sum(each["lit_min"] for each in counted) == rate["numerator"] == 1008
    assert sum(each["planned_min"] - each["unknown_min"] for each in counted) == rate["denominator"] == 2016
    assert [each["facility_code"] for each in lacking] == ["L-2"]
    silent = {each["facility_code"]: each for each in nights("/lamp-nights?which=unknown&kind=landscape_light")}
    assert (silent["L-4"]["schedule"], silent["L-4"]["planned_min"]) == ("", 0)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ({"lit": "yes"}, "lit"),
        ({"at": "2026-01-15T20:00:00"}, "at"),
        ({"failure": "bored"}, "failure"),
        ({"facility_code": "a\x00b"}, "facility_code"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_state_that_is_none_refuses_the_batch(call: Caller, state: dict[str, Any], field: str) -> None:
    body = {"facility_code": "L-1", "at": "2026-01-15T20:00:00Z", "lit": True} | state
    answer = call("POST", "/lamp-states", {"states": [body]}, role="device", status=422)
    assert field in answer["errors"][0]["field"]


@pytest.mark.parametrize(
    "change",
    [
        {"hours": {"on_at": "25:00"}},
        {"seasons": [{"name": "x", "from": "02-30", "to": "03-01", "hours": {}}]},
        {"exceptions": [{"reason": "x", "from": "2026-03-02", "to": "2026-03-01", "hours": {}}]},
        {"exceptions": [{"reason": "x", "from": "2026-01-01", "to": "2026-01-01", "hours": {}}]},
        {"hours": {"burns": "sometimes"}},
        {"hours": {"pause_from": "05:00", "pause_until": "01:00"}},
        {"hours": {"on_at": "20:00", "off_at": "20:00"}},
    ],
)
def test_hours_that_nobody_can_keep_are_refused(call: Caller, change: dict[str, Any]) -> None:
    call("PATCH", "/lighting-schedules/city", change, status=422)


def test_a_schedule_is_for_kinds_and_districts_that_there_are(call: Caller, database: Database) -> None:
    early = {"code": "early", "districts": ["nowhere"]}
    call("POST", "/lighting-schedules", early, status=201)
    refused = call("POST", "/lighting-schedules", {"code": "k", "kinds": ["lanscape_light"]}, status=422)
    assert refused["type"].endswith("unknown-kind")
    with database.begin() as session:
        ring = [[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.2], [24.9, 60.1]]
        square = {"type": "Polygon", "coordinates": [ring]}
        add_area(session, level=Level.DISTRICT, code="drawn", geometry=square)
        named = session.scalar(select(facilities.c.code).limit(1))
        session.execute(facilities.update().where(facilities.c.code == named).values(district="named"))
    good = {"code": "good", "districts": ["drawn", "named"]}
    call("POST", "/lighting-schedules", good, status=201)
    call("PATCH", "/lighting-schedules/early", {"districts": ["nowhere", "drawn"], "name": "Early"})
    for path, body in (("/early", {"districts": ["narned"]}), ("/good", {"districts": ["drawn", "narned"]})):
        refused = call("PATCH", f"/lighting-schedules{path}", body, status=422)
        assert (refused["type"].split(":")[-1], refused["errors"][0]["field"]) == ("unknown-district", "districts")
