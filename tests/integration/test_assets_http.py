"""The HTTP face of assets: bodies, filters, roles, changes to one facility."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from nameko.containers import ServiceContainer
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from deploy import settings
from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.site import Site
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import the_catalogue
from services.assets.sample import load_sample
from services.assets.service import Assets
from services.assets.tables import facilities
from services.assets.use_cases import add_areas, register_facilities
from shared import clock
from shared.auth import Keys, User
from shared.db import Database
from shared.lists import exports

API = "/api/v1"
LAMP = {
    "code": "L-1",
    "kind": "street_light",
    "name": "Lamp at the bay",
    "geometry": {"type": "Point", "coordinates": [24.9362, 60.1795]},
    "maintainer": "Lighting Maintenance Centre",
}


class Running:
    """The service in this process, and a client that may call it as anybody."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.database, self.folder = database, folder
        make_keys(folder / "keys")
        self.keys, site = Keys(folder / "keys"), Site()
        databases, chosen = {"assets": self.database}, replace(settings.load(), data=folder)
        config = {"settings": chosen, "databases": databases, "site": site, "keys": self.keys, "max_workers": 4}
        self.container = ServiceContainer(Assets, config=config)
        for extension in self.container.extensions:
            extension.setup()
        self.client = Client(site)

    def call(self, method: str, path: str, role: str = "operator", body: Any = None, **headers: str) -> TestResponse:
        """Send JSON, or bytes as they are. ``role`` may be ``crew <code>``, or ``<role> @<unit>``."""
        name, _, bound = role.partition(" ")
        crew, unit = (None, bound[1:]) if bound.startswith("@") else (bound or None, None)
        if role:
            headers["Authorization"] = f"Bearer {self.keys.sign(User(f'a {name}', name, crew, unit))}"
        more = {"data" if isinstance(body, bytes) else "json": body} if body is not None else {}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(API + path, method=method, headers=headers, **more)

    def get(self, path: str, role: str = "operator") -> Any:
        answer = self.call("GET", path, role)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def items(self, path: str, role: str = "operator") -> list[Any]:
        found: list[Any] = self.get(path, role)["items"]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("assets")
    database = Database(f"sqlite:///{folder}/assets.sqlite")
    migrate(database.engine, "assets", Assets.metadata)
    assert load_sample(database) == 3030
    yield Running(folder, database)
    database.close()


def a_lamp(running: Running, **more: Any) -> str:
    """Register a lamp; return its code."""
    body = LAMP | {"code": f"L-{uuid4()}"} | more
    answer = running.call("POST", "/facilities", body=body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return str(body["code"])


def test_the_sample_city_is_there_and_loads_once(running: Running) -> None:
    assert load_sample(running.database) == 0
    assert len(running.items("/districts")) == 4
    assert len(running.items("/grid-cells")) == 16


def test_every_facility_of_the_sample_lies_in_a_district_and_a_grid_cell(running: Running) -> None:
    shown = running.get("/facilities?limit=1000")
    assert len(shown["items"]) == 1000
    assert all(each["district"] and each["grid"] for each in shown["items"])
    assert running.get(f"/facilities?limit=1000&cursor={shown['next']}")["items"][0] != shown["items"][0]


def test_a_registered_facility_comes_back_with_condition_revision_and_etag(running: Running) -> None:
    code = a_lamp(running)
    answer = running.call("GET", f"/facilities/{code}")
    shown = answer.get_json()
    assert (shown["condition"], shown["revision"], shown["measure"], shown["unit"]) == ("intact", 1, 1.0, "count")
    assert (shown["district"], answer.headers["ETag"]) == ("northwest", '"1"')


def test_the_same_facility_again_answers_as_the_first_time_and_another_is_a_conflict(running: Running) -> None:
    body = LAMP | {"code": f"L-{uuid4()}"}
    first, again = (running.call("POST", "/facilities", body=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert running.call("POST", "/facilities", body=body | {"name": "Other"}).status_code == 409
    taken = running.call("POST", "/facilities", body=LAMP | {"code": "HEL-LAMP-314737872"})
    assert (taken.status_code, taken.get_json()["type"]) == (409, "urn:waywarden:problem:code-taken")


def test_any_text_is_a_code_and_finds_its_way_into_the_address(running: Running) -> None:
    code = a_lamp(running, code="路灯 7#?%")
    assert running.get(f"/facilities/{quote(code, safe='')}")["code"] == code


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "a/b"}, "code"),
        ({"code": "imports"}, "code"),
        ({"code": "tab\there"}, "code"),
        ({"code": 7}, "code"),
        ({"kind": "lamp_post"}, "kind"),
        ({"geometry": {"type": "Point", "coordinates": [200, 60]}}, "geometry"),
        ({"geometry": {"type": "Point", "coordinates": ["24.9", 60]}}, "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [0, 0]}}, "geometry"),
        ({"geometry": {"type": "LineString", "coordinates": [[24.9, 60.1], [0, -0.000001]]}}, "geometry"),
        ({"geometry": {"type": "LineString", "coordinates": [[-179, -80], [179, 80]]}}, "geometry"),
        ({"kind": "drain_pipe"}, "measure"),
        ({"measure": "5"}, "measure"),
        ({"measure": 0}, "measure"),
        ({"at": "2026-03-01T21:35:00"}, "at"),
        ({"at": "2998-03-01T21:35:00Z"}, "at"),
        ({"colour": "red"}, "colour"),
        ({"attributes": {"note": "a\x00b"}}, "attributes"),
    ],
)
def test_a_bad_body_is_refused_with_its_field(running: Running, change: dict[str, Any], field: str) -> None:
    answer = running.call("POST", "/facilities", body=LAMP | {"code": f"L-{uuid4()}"} | change)
    assert answer.status_code == 422
    assert field in answer.get_json()["errors"][0]["field"]


def test_only_operators_register_and_devices_do_not_even_read(running: Running) -> None:
    assert running.call("POST", "/facilities", "inspector", LAMP).status_code == 403
    assert running.call("GET", "/facilities", "inspector").status_code == 200
    assert running.call("GET", "/facilities", "device").status_code == 403
    assert running.call("GET", "/facilities", "").status_code == 401


def test_facilities_are_found_by_kind_district_box_nearness_and_text(running: Running) -> None:
    bridges = running.items("/facilities?kind=bridge")
    assert len(bridges) == 5
    assert all(each["kind"] == "manhole" for each in running.items("/facilities?kind=manhole&district=southeast"))
    box = running.items("/facilities?bbox=24.94,60.166,24.941,60.167&limit=1000")
    wide = running.items("/facilities?bbox=24.9,60.1,25.0,60.2&limit=1000")
    assert 0 < len(box) < len(wide) == 1000
    near = running.items("/facilities?near=24.9525531,60.1674716,50&kind=street_light")
    assert near[0]["code"] == "HEL-LAMP-314737872"
    assert running.items("/facilities?q=unionin")
    assert running.items("/facilities?q=100%25") == []


@pytest.mark.parametrize("wrong", ["bbox=1,2,3", "bbox=25,60,24,61", "near=24,60,9999", "near=a,b,c", "limit=0", "x=1"])
def test_a_bad_question_is_refused(running: Running, wrong: str) -> None:
    assert running.call("GET", f"/facilities?{wrong}").status_code == 422


def test_who_asks_for_geojson_gets_a_feature_collection(running: Running) -> None:
    answer = running.call("GET", "/facilities?kind=bridge", Accept="application/geo+json")
    shown = answer.get_json(force=True)
    assert answer.content_type == "application/geo+json"
    assert (shown["type"], len(shown["features"])) == ("FeatureCollection", 5)
    assert shown["features"][0]["geometry"]["type"] == "LineString"
    assert shown["features"][0]["properties"]["kind"] == "bridge"


def test_a_change_that_was_read_too_long_ago_fails_its_precondition(running: Running) -> None:
    code = a_lamp(running)
    changed = running.call("PATCH", f"/facilities/{code}", body={"street": "Rantatie"}, If_Match='"1"')
    assert (changed.status_code, changed.get_json()["revision"], changed.headers["ETag"]) == (200, 2, '"2"')
    assert running.call("PATCH", f"/facilities/{code}", body={"street": "X"}, If_Match='"1"').status_code == 412


def test_a_facility_leaves_service_comes_back_and_is_retired(running: Running) -> None:
    code = a_lamp(running)
    steps = [("put-out-of-service", "out_of_service"), ("return-to-service", "intact"), ("retire", "retired")]
    for path, condition in steps:
        answer = running.call("POST", f"/facilities/{code}/{path}", body={"reason": "tram works"})
        assert (answer.status_code, answer.get_json()["condition"]) == (200, condition)
    assert running.call("POST", f"/facilities/{code}/retire", body={"reason": "again"}).status_code == 409
    assert code not in [each["code"] for each in running.items(f"/facilities?q={code}")]
    assert running.items(f"/facilities?q={code}&condition=retired")[0]["code"] == code
    told = [each["what"] for each in running.items(f"/facilities/{code}/history")]
    assert told == ["registered", "put_out_of_service", "returned_to_service", "retired"]


def test_what_nobody_registered_is_not_found(running: Running) -> None:
    for path in ("/facilities/nobody", "/facilities/nobody/history"):
        assert running.call("GET", path).status_code == 404
    answer = running.call("PATCH", "/facilities/nobody", body={"name": "x"}, Accept_Language="zh")
    assert (answer.status_code, answer.get_json()["title"]) == (404, "没有此编码的设施")


def test_a_facility_falls_into_a_district_that_was_drawn_before(running: Running) -> None:
    ring = [[25.0, 60.2], [25.01, 60.2], [25.01, 60.21], [25.0, 60.21], [25.0, 60.2]]
    area = {"code": f"D-{uuid4().hex[:8]}", "name": "New", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    assert running.call("POST", "/districts", body=area).status_code == 201
    assert running.call("POST", "/districts", body=area | {"name": "Other"}).status_code == 409
    code = a_lamp(running, geometry={"type": "Point", "coordinates": [25.005, 60.205]})
    assert running.get(f"/facilities/{code}")["district"] == area["code"]
    flat = {"code": "flat", "geometry": {"type": "Point", "coordinates": [25, 60]}}
    assert running.call("POST", "/districts", body=flat).status_code == 422


SQUARE = {"type": "Polygon", "coordinates": [[[25.1, 60.2], [25.2, 60.2], [25.2, 60.3], [25.1, 60.2]]]}


@pytest.mark.parametrize("level", ["districts", "streets", "communities", "large-grid-cells", "grid-cells"])
def test_areas_of_every_level_are_drawn_and_changed(running: Running, level: str) -> None:
    holder = f"P-{uuid4().hex[:8]}" if level == "grid-cells" else "southwest"
    running.call("POST", "/large-grid-cells", body={"code": holder, "geometry": SQUARE})
    area = {"code": f"A-{uuid4().hex[:8]}", "geometry": SQUARE, "responsible_name": "Li Na", "parent": holder}
    at = f"/{level}/{area['code']}"
    assert running.call("POST", f"/{level}", body=area).status_code == 201
    changed = running.call("PATCH", at, body={"name": "New", "parent": None}, If_Match='"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert running.call("PATCH", at, body={"name": "Newer"}, If_Match='"1"').status_code == 412
    shown = running.get(at)
    assert (shown["name"], shown["parent"], shown["responsible_name"]) == ("New", None, "Li Na")
    assert running.call("GET", at, "citizen").get_json()["responsible_name"] is None
    assert running.items(f"/{level}?parent={holder}") == []
    assert running.call("GET", at, "device").status_code == 403
    assert running.call("PATCH", f"/{level}/nowhere", body={"name": "x"}).status_code == 404


def test_a_facility_is_in_no_area_that_is_none(running: Running) -> None:
    draft = LAMP | {"code": f"L-{uuid4().hex[:8]}"}
    refused = running.call("POST", "/facilities", body=draft | {"district": "nirgends"})
    assert refused.status_code == 422
    assert refused.get_json()["type"] == "urn:waywarden:problem:unknown-district"
    assert "lies in 'northwest'" in refused.get_json()["detail"]
    refused = running.call("POST", "/facilities", body=draft | {"grid": "nope"})
    assert refused.get_json()["type"] == "urn:waywarden:problem:no-such-area"
    free = {"street": "Any Road"}  # an address
    assert running.call("POST", "/facilities", body=draft | free).status_code == 201
    at = f"/facilities/{draft['code']}"
    assert running.call("PATCH", at, body={"district": "nope"}, If_Match='"1"').status_code == 422
    move = {"reason": "x", "geometry": LAMP["geometry"], "district": "nope"}
    assert running.call("POST", f"{at}/move", body=move, If_Match='"1"').status_code == 422
    assert running.call("PATCH", at, body={"district": "southwest"}, If_Match='"1"').status_code == 200


def test_an_area_lies_in_no_area_that_is_none(running: Running) -> None:
    code = f"A-{uuid4().hex[:8]}"
    area = {"code": code, "geometry": SQUARE}
    for named in ({"district": "southwestt"}, {"parent": "nope"}):
        refused = running.call("POST", "/streets", body=area | named)
        assert refused.status_code == 422
    assert "no district 'nope'" in refused.get_json()["detail"]
    assert running.call("POST", "/streets", body=area | {"parent": "southwest"}).status_code == 201
    changed = running.call("PATCH", f"/streets/{code}", body={"district": "nope"}, If_Match='"1"')
    assert changed.get_json()["type"] == "urn:waywarden:problem:unknown-district"


def test_what_names_areas_that_are_none_is_listed(running: Running) -> None:
    code = f"A-{uuid4().hex[:8]}"
    with running.database.begin() as session:
        register_facilities(session, [LAMP | {"code": code, "district": "nirgends"}], who="ada")
        add_areas(session, level=Level.COMMUNITY, drafts=[{"code": code, "geometry": SQUARE, "parent": "nope"}])
    assert [each["code"] for each in running.items("/facilities?naming_nothing=true")] == [code]
    assert code not in {each["code"] for each in running.items("/facilities?naming_nothing=false&code=A-")}
    assert [each["code"] for each in running.items("/communities?naming_nothing=true")] == [code]
    assert running.items("/grid-cells?naming_nothing=true") == []
    assert len(running.items("/grid-cells?naming_nothing=false")) >= 16


def test_areas_of_a_file_that_lie_in_none_are_refused_row_by_row(running: Running) -> None:
    names = [uuid4().hex[:8] for _ in range(3)]
    rows = zip(names, ("southwest", "nope", None), strict=True)
    features = [
        {"type": "Feature", "properties": {"code": code, "district": named}, "geometry": SQUARE} for code, named in rows
    ]
    content = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    form = {"file": (BytesIO(content), "isles.geojson"), "options": "{}"}
    headers = {"Authorization": f"Bearer {running.keys.sign(User('an operator', 'operator'))}"}
    answer = running.client.post(f"{API}/streets/imports", data=form, headers=headers).get_json()
    assert (answer["created"], [each["rule"] for each in answer["rejects"]]) == (2, ["unknown-district"])
    assert answer["rejects"][0]["line"] == 2


def test_areas_come_from_a_file_and_again_change_nothing(running: Running) -> None:
    code = f"F-{uuid4().hex[:8]}"
    feature = {"type": "Feature", "properties": {"code": code, "name": "Isle"}, "geometry": SQUARE}
    content = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()

    def sent(**options: Any) -> Any:
        form = {"file": (BytesIO(content), "isles.geojson"), "options": json.dumps(options)}
        headers = {"Authorization": f"Bearer {running.keys.sign(User('an operator', 'operator'))}"}
        answer = running.client.post(f"{API}/streets/imports", data=form, headers=headers)
        return answer.status_code, *(answer.get_json().get(name) for name in ("created", "updated", "unchanged"))

    assert sent(dry_run=True) == (200, 1, 0, 0)
    assert running.call("GET", f"/streets/{code}").status_code == 404
    assert sent() == (200, 1, 0, 0)
    assert sent() == (200, 0, 0, 1)
    assert sent(code_column="none such")[0] == 422


def test_units_are_registered_and_changed(running: Running) -> None:
    unit = {"code": "lights", "name": "Lights Ltd", "name_zh": "照明公司", "roles": ["maintainer"]}
    assert running.call("POST", "/units", body=unit).status_code == 201
    assert running.call("POST", "/units", body=unit).status_code == 201, "the same again answers as the first time"
    assert running.call("POST", "/units", body={**unit, "roles": ["builder"]}).status_code == 422
    assert running.call("PATCH", "/units/lights", "dispatcher", body={"name": "x"}).status_code == 403
    changed = running.call("PATCH", "/units/lights", body={"roles": ["owner", "maintainer"]}, If_Match='"1"')
    assert changed.get_json() == {**unit, "roles": ["owner", "maintainer"], "revision": 2}
    assert running.items("/units") == [changed.get_json()]


@pytest.mark.parametrize("by", ["district", "kind", "grid", "maintainer"])
def test_every_rate_carries_its_terms_and_its_definition(running: Running, by: str) -> None:
    rates = running.items(f"/rates?by={by}")
    assert rates
    for rate in rates:
        assert rate["ratio"] is None or rate["ratio"] == pytest.approx(rate["numerator"] / rate["denominator"])
        assert rate["unit"] in ("count", "m", "m2", "weight")
        assert rate["definition"]["en"]
        assert rate["definition"]["zh"]
        assert (rate["weights"] is None) == (rate["kind"] is not None)


def test_rates_are_those_of_any_day_that_has_come(running: Running) -> None:
    today = datetime.now(ZoneInfo("Europe/Helsinki")).date()
    assert running.call("GET", f"/rates?date={today}").status_code == 200
    refused = running.call("GET", f"/rates?date={today + timedelta(days=2)}")
    assert (refused.status_code, (refused.json or {})["errors"][0]["field"]) == (422, "date")


def test_kinds_come_with_their_names_and_defects(running: Running) -> None:
    lamps = next(each for each in running.items("/kinds") if each["slug"] == "street_light")
    assert (lamps["zh"], lamps["unit"], lamps["lamp"]) == ("路灯", "count", True)
    assert {"lamp_out", "leakage"} <= {each["slug"] for each in lamps["categories"]}


@pytest.mark.parametrize("kind", ["csv", "geojson"])
def test_a_small_export_is_what_a_process_of_its_own_writes(
    running: Running, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = f"/facilities/export?format={kind}&kind=bridge"
    small = running.call("GET", path).get_data()
    monkeypatch.setattr(exports, "SMALL", 0)
    with running.call("GET", path) as answer:
        assert answer.get_data() == small
    assert small.count(b"bridge") >= len(running.items("/facilities?kind=bridge")) > 1


@pytest.mark.parametrize("view", ["known", "happened"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/facilities?as_of=", "as_of"),
        ("/facilities?kind=bridge&bbox=24,60,25,61&as_of=", "as_of"),
        ("/facilities/labels.pdf?as_of=", "as_of"),
        ("/rates?date=", "date"),
        ("/rates?by=kind&rate=light_on_metered&window_days=30&date=", "date"),
        ("/lamp-nights?which=unknown&date=", "date"),
    ],
)
def test_a_day_before_the_registry_says_so_and_when_it_begins(
    running: Running, path: str, field: str, view: str
) -> None:
    with running.database.read() as session:
        first = min(session.scalars(select(facilities.c.registered_at)))
    begun = the_catalogue().city.day_of(first)
    refused = running.call("GET", f"{path}1990-01-01&view={view}", Accept_Language="zh-CN")
    problem = refused.get_json()
    assert (refused.status_code, problem["type"].rpartition(":")[2]) == (422, "day-before-registry")
    assert problem["title"] == "该日早于设施台账的起始日"
    assert [each["field"] for each in problem["errors"]] == [field]
    said = date.fromisoformat(re.findall(r"\d{4}-\d\d-\d\d", problem["detail"])[0])
    assert said in (begun, begun - timedelta(days=1))  # a night is of the day on which it began


def test_the_file_of_a_facility_says_since_when_it_is_known(running: Running) -> None:
    code = a_lamp(running)
    refused = running.call("GET", f"/facilities/{code}/file?as_of=1990-01-01")
    assert refused.status_code == 404
    assert f"on {the_catalogue().city.day_of(clock.now())}" in refused.get_json()["detail"]
