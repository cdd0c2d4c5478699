"""Processes die at any moment; no success that a client was told is lost, and nothing happens twice."""

from __future__ import annotations

import random
import signal
import time
from itertools import count, cycle

import pytest

from deploy.process import Process
from deploy.stack import Embedded, Stack
from shared.events.queues import SERVICES
from tests.client import wait_for
from tests.drills.audit import audit
from tests.drills.conftest import Size
from tests.drills.loop import Loop


def keep_killing(processes: list[Process], size: Size, chance: random.Random, loop: Loop) -> None:
    """``kill -9`` each in turn at random moments, and start it again, until both the kills and the stories are done."""
    for number, process in zip(count(1), cycle(processes)):
        if number > size.kills and (loop.done or number > size.most_kills):
            return
        time.sleep(chance.uniform(0.1, 1.5))  # a random moment is what this is about
        process.kill()
        process.start()


def test_services_killed_at_random_moments(whole: Stack, size: Size, chance: random.Random) -> None:
    with Loop(whole, wanted=size.stories) as loop:
        keep_killing(whole.processes, size, chance, loop)
    audit(whole, loop)


def test_the_embedded_system_killed_at_random_moments(
    drilled_embedded: Embedded, size: Size, chance: random.Random
) -> None:
    with Loop(drilled_embedded, wanted=size.stories, threads=4) as loop:
        keep_killing(drilled_embedded.processes, size, chance, loop)
    audit(drilled_embedded, loop)


def await_death(process: Process, loop: Loop) -> None:
    """Until the failpoint was passed often enough, which at the end of the stories it may not be."""
    wait_for(lambda: not process.running or loop.done, f"{process.name} to die", 120)
    assert loop.done or process.status == -signal.SIGKILL


@pytest.mark.parametrize("failpoint", ["relay-published", "event-handled"])
def test_death_at_a_failpoint(whole: Stack, size: Size, chance: random.Random, failpoint: str) -> None:
    """Between publish and mark, an event is published again; between commit and ack, it is delivered again."""
    with Loop(whole, wanted=size.stories) as loop:
        for service in size.victims(chance):
            process = whole.process(service)
            process.stop()
            process.start(WAYWARDEN_FAILPOINT=f"{failpoint}:{chance.randint(1, 5)}")
            await_death(process, loop)
            process.kill()
            process.start()
    audit(whole, loop)


def test_a_service_killed_while_the_broker_is_down(whole: Stack, size: Size, chance: random.Random) -> None:
    with Loop(whole, wanted=size.stories) as loop:
        for service in size.victims(chance):
            whole.servers.rabbitmq.stop()
            time.sleep(chance.uniform(0.2, 1.0))
            whole.process(service).kill()
            whole.process(service).start()  # it must serve without a broker
            whole.servers.rabbitmq.start()
            loop.await_story()
    audit(whole, loop)


def test_two_replicas_of_each_service(
    tmp_path_factory: pytest.TempPathFactory, whole: Stack, size: Size, chance: random.Random
) -> None:
    """Replicas share queues; while one of two is dead, the other goes on."""
    folder = tmp_path_factory.mktemp("replicas")
    replicas = dict.fromkeys(SERVICES, 2)
    with Stack(folder, servers=whole.servers, name="replicas", replicas=replicas) as stack:
        with Loop(stack, wanted=size.stories) as loop:
            keep_killing(stack.processes, size, chance, loop)
        audit(stack, loop)
