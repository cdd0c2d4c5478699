"""Broker and database stop, die and come back; readers come late."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from deploy.process import Process
from deploy.stack import Stack
from services.workorders.tables import work_orders
from tests.client import System, wait_for
from tests.drills.audit import audit, rows
from tests.drills.conftest import Size
from tests.drills.loop import PATIENCE_S, Loop
from tests.paused import paused
from tests.story import Cast, LampStory

PROMETHEUS_WAITS_S = 10  # its scrape_timeout, where nobody sets it


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("server", ["rabbitmq", "postgres"])
def test_a_server_goes_and_comes_back(whole: Stack, size: Size, chance: random.Random, server: str, how: str) -> None:
    """``make test`` stops each once; the full form kills them as well."""
    if how == "killed" and size.rounds == 1:
        pytest.skip("The full form kills servers: make drills")
    process = getattr(whole.servers, server)
    end: Callable[[], None] = process.stop if how == "stopped" else process.kill
    with Loop(whole, wanted=size.stories) as loop:
        for _ in range(size.rounds):
            time.sleep(chance.uniform(0.5, 2.0))
            end()
            time.sleep(chance.uniform(0.5, 2.0))
            process.start()
            loop.await_story()
    audit(whole, loop)


def test_events_wait_for_readers_that_were_never_there(
    tmp_path_factory: pytest.TempPathFactory, whole: Stack, size: Size
) -> None:
    """inspections starts alone on an empty broker and reports; the others bind queues later, for the first time."""
    folder = tmp_path_factory.mktemp("late")
    stack = Stack(folder, servers=whole.servers, name="late")
    stack.prepare()
    try:
        stack.proxy.start()
        stack.process("inspections").start()
        with closing(System.of(stack)) as system:
            inspector = system.user("inspector", "inspector-1")
            reported = [inspector.post("/findings", unlinked(number))["id"] for number in range(size.stories)]
        for process in stack.processes:
            process.start()

        def ordered() -> bool:
            found = [str(row.finding_id) for row in rows(stack, "workorders", work_orders.select())]
            return sorted(found) == sorted(reported)

        wait_for(ordered, "one order for each early finding")
    finally:
        stack.stop()


def unlinked(number: int) -> dict[str, object]:
    return {
        "id": str(uuid4()),
        "category": "pothole",
        "location": {"lon": 24.94 + number * 1e-6, "lat": 60.17},
        "severity": "normal",
        "description": "Reported before anybody listened.",
        "source": "patrol",
        "found_at": datetime.now(UTC).isoformat(),
        "photos": [],
    }


def test_the_interfaces_work_while_the_broker_is_down(whole: Stack) -> None:
    """Also at start; the outbox catches up later."""
    whole.servers.rabbitmq.stop()
    for process in whole.processes:
        process.kill()
        process.start()
    with closing(System.of(whole)) as system:
        cast = Cast(system)
        story = LampStory(cast, cast.lamps(1)[0], timeout_s=PATIENCE_S)
        story.report()
        assert story.finding()["state"] == "confirmed"
        assert system.figures("inspections").get("waywarden_outbox_pending", service="inspections")
        whole.servers.rabbitmq.start()
        story.await_order()
        story.repair(with_photo=False)
        story.await_finding("resolved")


@pytest.mark.parametrize("how", ["stopped", "paused"])
def test_health_and_metrics_tell_that_the_database_does_not_answer(whole: Stack, how: str) -> None:
    postgres = whole.servers.postgres
    with closing(System.of(whole)) as system, system.nobody() as anybody:
        anybody.address = urlsplit(whole.service_url("assets")).netloc
        system.patience_s = 0
        with stopped(postgres) if how == "stopped" else paused(postgres.pid):
            assert anybody.send("GET", "/health/live").status == 200
            assert anybody.send("GET", "/health/ready").status == 503
            asked_at = time.monotonic()
            assert system.figures("assets").get("waywarden_database_up", service="assets") == 0
            assert time.monotonic() - asked_at < PROMETHEUS_WAITS_S
        wait_for(lambda: anybody.send("GET", "/health/ready").status == 200, "assets to be ready again")


@contextmanager
def stopped(server: Process) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()
