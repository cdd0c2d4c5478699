"""Servers hang, vanish, refuse and fill up, connections break, replicas stand still; stories go on afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from deploy.stack import Embedded, Stack, is_live, supervised
from shared.events.queues import SERVICES
from tests.client import Client, System, wait_for
from tests.drills.audit import audit
from tests.drills.between import Between
from tests.drills.conftest import SETTINGS, Size
from tests.drills.faults import ALSO_IN_SHORT, FAULTS, full, small_disk, vanished
from tests.drills.loop import Loop
from tests.paused import paused


@pytest.mark.parametrize("name", FAULTS)
def test_stories_go_on_after_a_fault(whole: Stack, size: Size, chance: random.Random, name: str) -> None:
    if size.rounds == 1 and name not in ALSO_IN_SHORT:
        pytest.skip("Only in the full form: make drills")
    with Loop(whole, wanted=size.stories) as loop:
        for _ in range(size.rounds):
            loop.await_story()
            with FAULTS[name](whole):
                time.sleep(chance.uniform(*size.fault_s))
            loop.await_story()
    audit(whole, loop)


def test_requests_are_answered_while_the_database_is_gone_without_a_word(whole: Stack) -> None:
    """Within a bound, with 503; and with success again when it is back, without a restart."""
    with closing(System.of(whole)) as system:
        system.patience_s = 0
        users = [user_of(whole, system, service) for service in SERVICES]
        with vanished(whole.servers.postgres.port):
            for user, path in users:
                assert user.send("GET", "/health/live").status == 200
                assert user.send("GET", "/health/ready").status == 503
                assert user.send("GET", path).status == 503
        for user, path in users:
            wait_for(lambda user=user: user.send("GET", "/health/ready").status == 200, "readiness")  # type: ignore[misc]
            assert user.send("GET", path).status == 200


PATHS = {"assets": "facilities", "inspections": "findings", "workorders": "work-orders", "alerts": "alerts"}


def user_of(stack: Stack, system: System, service: str) -> tuple[Client, str]:
    """Somebody who asks the service itself, and what they ask."""
    user = system.user("manager")
    user.address = urlsplit(stack.service_url(service)).netloc
    return user, f"/api/v1/{PATHS[service]}"


def test_connections_cut_at_random(
    tmp_path_factory: pytest.TempPathFactory, whole: Stack, size: Size, chance: random.Random
) -> None:
    """Between the services and both servers, in the middle of anything."""
    folder = tmp_path_factory.mktemp("cut")
    with (
        Between(whole.servers.postgres.port, chance) as database,
        Between(whole.servers.rabbitmq.port, chance) as broker,
    ):
        detours = {whole.servers.postgres.port: database.port, whole.servers.rabbitmq.port: broker.port}
        stack = Stack(folder, servers=whole.servers, name="cut")
        urls = {name: url for name, url in stack.environment(*SERVICES).items() if "_URL" in name}
        around = {name: led_by(url, detours) for name, url in urls.items() if "127.0.0.1" in url}
        with Stack(folder, servers=whole.servers, name="cut", environment=SETTINGS | around) as stack:
            with Loop(stack, wanted=size.stories) as loop:
                database.per_thousand, broker.per_thousand = 1, 5
                wait_for(lambda: loop.done and database.harmed + broker.harmed >= size.kills, "harm", 1_500)
                database.per_thousand = broker.per_thousand = 0
            audit(stack, loop)


def led_by(url: str, detours: dict[int, int]) -> str:
    for port, detour in detours.items():
        url = url.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{detour}/")
    return url


def test_paused_replicas(
    tmp_path_factory: pytest.TempPathFactory, whole: Stack, size: Size, chance: random.Random
) -> None:
    """Longer than the broker waits for a reader: it gives the events to the other replica, which goes on meanwhile."""
    whole.servers.rabbitmq.ctl("eval", "application:set_env(rabbit, heartbeat, 5).")
    folder = tmp_path_factory.mktemp("paused")
    try:
        with Stack(
            folder, servers=whole.servers, name="paused", replicas=dict.fromkeys(SERVICES, 2), environment=SETTINGS
        ) as stack:
            with Loop(stack, wanted=size.stories) as loop:
                for service in size.victims(chance):
                    loop.await_story()
                    with paused(stack.process(service, chance.randrange(2)).pid):
                        time.sleep(chance.uniform(12, 20))
                        loop.await_story()
            audit(stack, loop)
    finally:
        whole.servers.rabbitmq.ctl("eval", "application:set_env(rabbit, heartbeat, 60).")


def test_a_full_disk_under_everything(size: Size, chance: random.Random) -> None:
    """RabbitMQ dies of it, or lives on and keeps nothing: ``make stack`` starts it anew either way, and so it all."""
    if size.rounds == 1:
        pytest.skip("Only in the full form: make drills")
    with small_disk(1_500) as disk, Stack(disk / "stack", environment=SETTINGS) as stack, looked_after(stack):
        with Loop(stack, wanted=size.stories, threads=4) as loop:
            for _ in range(size.rounds):
                loop.await_story()
                with full(disk):
                    time.sleep(chance.uniform(*size.fault_s))
                loop.await_story()
        audit(stack, loop)


@contextmanager
def looked_after(stack: Stack) -> Iterator[None]:
    """As ``make stack`` does it in the foreground."""
    ended = threading.Event()

    def look_again_and_again() -> None:
        with supervised(stack, print) as look:
            while not ended.wait(0.5):
                look()

    looking = threading.Thread(target=look_again_and_again)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


def test_a_full_disk_under_the_embedded_system(size: Size, chance: random.Random) -> None:
    with small_disk(300) as disk, Embedded(disk / "embedded", environment=SETTINGS) as running:
        with Loop(running, wanted=size.stories, threads=4) as loop:
            loop.await_story()
            with full(disk):
                time.sleep(chance.uniform(*size.fault_s))
                assert is_live(running.port)
            loop.await_story()
        audit(running, loop)
