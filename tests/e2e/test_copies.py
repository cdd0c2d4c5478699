"""What other services keep copies of: changed in assets while one of them is down, seen there when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

from deploy.stack import Stack
from tests.client import System, Thing, wait_for
from tests.conftest import prove_sums
from tests.story import Cast, order_of

WINTER = """
[groups.winter]
en = "Winter service"
zh = "冬季养护"

[kinds.grit_bin]
group = "winter"
unit = "count"
en = "Grit bin"
zh = "防滑砂箱"
weight = 1.0

[kinds.grit_bin.attributes]
volume_l = { en = "Volume", zh = "容积", type = "number", unit = "L", least = 0 }

[categories.bin_empty]
groups = ["winter"]
en = "Bin empty"
zh = "砂箱已空"
breaks_function = true
severity = "normal"

[categories.bin_empty.limits]
dispose = { amount = 2, clock = "urgent_hour", source = "winter plan" }
"""
RING = [[24.60, 60.0], [24.61, 60.0], [24.61, 60.01], [24.60, 60.01], [24.60, 60.0]]
FAR_OFF = {"type": "Polygon", "coordinates": [RING]}
PLACE = {"lon": 24.605, "lat": 60.005}


def test_catalogue_areas_and_units_that_changed_while_workorders_was_dead_are_seen_there(stack: Stack) -> None:
    """And the new kind, which no code knows, goes the whole way: registration, finding, defect, rate, order, crew."""
    with closing(System.of(stack)) as system:
        cast = Cast(system)
        with dead(stack, "workorders"):
            edit_catalogue(stack, cast)
            cast.operator.post("/districts", {"code": "isle", "name": "Isle", "geometry": FAR_OFF})
            cast.operator.patch("/districts/isle", {"name": "The Isle"})
            cast.operator.post("/units", {"code": "grit-ltd", "name": "Grit Ltd", "roles": ["maintainer"]})
            cast.operator.post("/facilities", a_bin("B-1"))
            cast.operator.post("/facilities", a_bin("B-2"))
        crew = {"code": "isle", "name": "Isle crew", "districts": ["isle"], "kinds": ["winter"]}
        wait_for(lambda: cast.admin.send("POST", "/api/v1/crews", crew).good, "workorders to know the district")
        wait_for(lambda: cast.admin.get("/crews/isle")["district_names"] == {"isle": "The Isle"}, "the newest name")
        misspelt = cast.admin.send("POST", "/api/v1/crews", {**crew, "code": "ilse", "districts": ["ilse"]})
        assert misspelt.status == 422
        finding = wait_for(lambda: report(cast), "inspections to know the new category")
        order = wait_for(lambda: order_of(cast.dispatcher, finding_id=finding, state="dispatched"), "an order")
        assert (order["crew"], order["district_name"], order["maintainer_name"]) == ("isle", "The Isle", "Grit Ltd")
        assert (order["group"], order["limit"]["amount"], order["limit"]["clock"]) == ("winter", 2, "urgent_hour")
        (rate,) = [each for each in cast.manager.get("/rates", by="kind", kind="grit_bin")["items"] if each["kind"]]
        assert (rate["numerator"], rate["denominator"]) == (1, 2)
        prove_sums(stack, system)


@contextmanager
def dead(stack: Stack, service: str) -> Iterator[None]:
    stack.process(service).kill()
    yield
    stack.process(service).start()


def edit_catalogue(stack: Stack, cast: Cast) -> None:
    """First with a mistake, which is told of and changes nothing; then rightly."""
    file, before = stack.folder / "catalogue.toml", wait_for(lambda: shown(cast), "the first edition")
    right = file.read_text(encoding="utf-8") + WINTER
    file.write_text(right.replace('zh = "防滑砂箱"', 'zh = ""'), encoding="utf-8")
    wrong = wait_for(lambda: shown(cast, refused=True), "the mistake to be refused")
    assert (wrong["refused"]["key"], wrong["revision"]) == ("kinds.grit_bin.zh", before["revision"])
    file.write_text(right, encoding="utf-8")
    wait_for(lambda: cast.manager.get("/catalogue")["revision"] > before["revision"], "the next edition")
    assert cast.manager.get("/catalogue")["refused"] is None


def shown(cast: Cast, *, refused: bool = False) -> Thing | None:
    answer = cast.manager.send("GET", "/api/v1/catalogue")
    return answer.json() if answer.good and bool(answer.json()["refused"]) == refused else None


def a_bin(code: str) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": [PLACE["lon"], PLACE["lat"]]}
    more = {"maintainer": "grit-ltd", "attributes": {"volume_l": 200}}
    return {"code": code, "kind": "grit_bin", "name": "Grit bin", "geometry": point, **more}


def report(cast: Cast) -> str | None:
    """The id of the finding, once its category is known."""
    body = {
        "id": str(uuid4()), "category": "bin_empty", "facility_code": "B-1", "severity": "normal", "source": "patrol",
        "description": "Nothing in it.", "location": PLACE, "found_at": "2026-01-05T07:30:00+02:00", "photos": [],
    }  # fmt: skip
    answer = cast.inspector.send("POST", "/api/v1/findings", body)
    return body["id"] if answer.status == 201 else None  # type: ignore[return-value]
