"""A service is deployed again and again while long jobs run: each goes on where it was, and every row is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from deploy.stack import Stack
from services.assets import use_cases
from services.assets.tables import area_sweeps, lamp_nights_due, network_changes
from services.assets.use_cases import lamps
from shared import clock
from shared.db import Database
from tests.client import System, wait_for
from tests.drills.audit import check_sums
from tests.drills.conftest import SETTINGS, Size

LAMPS, PIPES = 12_000, 3_000
STEP = 0.00002
CITY = {"type": "Polygon", "coordinates": [[[24.0, 59.5], [26.0, 59.5], [26.0, 60.5], [24.0, 60.5], [24.0, 59.5]]]}


def found_a_city(database: Database, times: int) -> None:
    """Lamps with word of two nights, and pipes that wait to be joined."""
    for start in range(0, LAMPS * times, 3_000):
        some = range(start, start + 3_000)
        with database.begin() as session:
            use_cases.register_facilities(session, [lamp(number) for number in some], who="drill")
        with database.begin() as session:
            lamps.take_states(session, batch=[state(number) for number in some])
    with database.begin() as session:
        use_cases.register_facilities(session, [pipe(number) for number in range(PIPES * times)], who="drill")


def lamp(number: int) -> dict[str, object]:
    place = {"type": "Point", "coordinates": [24.5 + number * STEP, 59.9]}
    return {"code": f"long-{number}", "kind": "street_light", "geometry": place}


def state(number: int) -> dict[str, object]:
    known = {"lit": True, "power_w": None, "failure": None, "controller": None}
    return {"facility_code": f"long-{number}", "at": clock.now() - timedelta(hours=30), **known}


def pipe(number: int) -> dict[str, object]:
    line = [[24.5 + number * STEP * 10, 59.8], [24.5 + (number + 1) * STEP * 10, 59.8]]
    return {"code": f"pipe-{number}", "kind": "drain_pipe", "geometry": {"type": "LineString", "coordinates": line}}


def left(database: Database) -> dict[str, int]:
    with database.read() as session:
        tables = (area_sweeps, network_changes, lamp_nights_due)
        counts = {each.name: session.scalar(select(func.count()).select_from(each)) or 0 for each in tables}
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def stack(tmp_path: Path, whole: Stack) -> Iterator[Stack]:
    """One of its own: the other drills would page through its thousands of lamps."""
    with Stack(tmp_path, servers=whole.servers, name="long", environment=SETTINGS) as stack:
        yield stack


def test_three_deploys_while_sweeps_joins_and_nights_are_under_way(stack: Stack, size: Size) -> None:
    process = stack.process("assets")
    process.stop()
    database = Database(stack.database_url("assets"), connections=2, patient=True)
    with closing(database), closing(System.of(stack)) as system:
        found_a_city(database, 4 if size.all_services else 1)
        process.start()
        system.user("admin").post("/communities", {"code": "long", "name": "Long", "geometry": CITY})
        for _ in range(3):
            before = left(database)
            assert before, "the jobs were too fast to be broken off"
            wait_for(lambda: left(database) != before, "some of it done", 60)  # noqa: B023
            process.stop()
            assert process.status == 0, f"it did not stop by itself:\n{process.log_end()}"
            process.start()
        wait_for(lambda: not left(database), lambda: f"all of it done; left: {left(database)}", 240)
    check_sums(stack)
