"""The embedded system is stopped and started again on the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.stack import Embedded
from tests.client import API, System
from tests.conftest import await_quiet, prove_sums
from tests.figures import Watch
from tests.story import Cast, GaugeStory, LampStory, check_lamps, last_night, new_gauge


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Embedded]:
    """A system of our own, without the sample city."""
    with Embedded(tmp_path, sample=False) as running:
        yield running


def test_what_was_done_is_there_after_a_restart(alone: Embedded) -> None:
    system = System.of(alone)
    cast = Cast(system)
    crew = {"code": "crew-1", "name": "Crew", "districts": [], "kinds": []}
    cast.admin.post("/crews", crew)
    cast.operator.post("/dispatch-rules", {"id": str(uuid4()), "name": "all to one", "crew": "crew-1"})
    lamps = [register_lamp(cast, f"lamp-{n}") for n in range(3)]
    story = LampStory(cast, lamps[0])
    watch = Watch(system, "")
    story.report()
    story.await_order()
    story.accept()
    check_lamps(cast.inspector, last_night(), lit=["lamp-1"], dark=["lamp-2"])
    gauge = GaugeStory(cast, new_gauge(cast.admin, "somewhere"))
    gauge.rise()
    gauge.find_alert()
    await_quiet(system)
    watch.moved(findings=2, intact=-2, defective=2, accepted=1, dispatched=1)
    before = {path: cast.admin.get(path) for path in LISTS}
    first_start = alone.all.log.read_text()

    alone.stop()
    assert alone.all.status == 0, "the stop was not clean"
    alone.start()

    said = alone.all.log.read_text().removeprefix(first_start)
    assert "password" in first_start
    assert "password" not in said
    assert {path: cast.admin.get(path) for path in LISTS} == before
    watch.moved(findings=2, intact=-2, defective=2, accepted=1, dispatched=1)
    assert system.figure("alerts", "waywarden_water_level_metres", sensor=gauge.sensor["code"]) == gauge.high
    assert story.report()["state"] == "confirmed", "the same report again is no longer known"
    story.start()
    story.complete()
    story.check()
    story.await_finding("resolved")
    gauge.fall()
    watch.moved(findings=2, intact=-1, defective=1, closed=1, dispatched=1)
    prove_sums(alone, system)
    system.close()


LISTS = (
    "/facilities",
    "/findings",
    "/light-checks",
    "/work-orders",
    "/crews",
    "/dispatch-rules",
    "/sensors",
    "/alerts",
)


def register_lamp(cast: Cast, code: str) -> dict[str, object]:
    point = {"type": "Point", "coordinates": [24.94, 60.17]}
    return cast.operator.post("/facilities", {"code": code, "kind": "street_light", "name": code, "geometry": point})  # type: ignore[no-any-return]


def test_a_second_start_on_the_same_port_is_refused(alone: Embedded, tmp_path: Path) -> None:
    other = Embedded(tmp_path / "other", port=alone.port, sample=False)
    other.all.launch()
    assert other.all.wait(60) != 0
    assert str(alone.port) in other.all.log.read_text()
    with System.of(alone).nobody() as nobody:
        assert nobody.send("GET", f"{API}/auth/jwks.json").status == 200
