"""Jobs that a service runs by itself."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import eventlet
import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from shared.service import Service, every, on_start
from tests.integration.toy import World, metadata, things, until

runs: list[str] = []


class Alarmed(Service):
    name = "assets"
    metadata = metadata

    @on_start
    def begin(self, session: Session) -> None:
        runs.append("start")
        session.execute(insert(things).values(id=uuid4(), category="start", size=0.0, revision=1))
        if runs.count("start") == 1:
            raise RuntimeError("the first run fails")

    @every(0.05)
    def tick(self, session: Session) -> None:
        runs.append("tick")
        if runs.count("tick") == 1:
            raise RuntimeError("the first run fails")


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    runs.clear()
    return new_world().start(Alarmed)


def test_a_job_at_the_start_is_tried_until_it_works_and_then_never_again(world: World) -> None:
    until(lambda: runs.count("start") == 2)
    until(lambda: world.count(things) == 1)
    ticks = runs.count("tick")
    until(lambda: runs.count("tick") > ticks + 20)
    assert runs.count("start") == 2


def test_a_periodic_job_that_fails_runs_again_and_ends_with_its_service(world: World) -> None:
    until(lambda: runs.count("tick") > 3)
    world.stop()
    seen = len(runs)
    eventlet.sleep(0.2)  # time for a run too many
    assert len(runs) == seen
