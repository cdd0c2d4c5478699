"""Old and new version side by side: an upgrade while clients work costs no success, no event and no row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.process import Process
from deploy.servers import Missing
from deploy.stack import ROOT, Embedded, Stack
from shared.events.queues import SERVICES
from tests.client import PASSING, Answer, System, wait_for
from tests.drills.audit import audit, await_settled, check_sums
from tests.drills.conftest import SETTINGS, Size
from tests.drills.loop import Loop
from tests.story import Cast, GaugeStory, last_night, new_gauge, order_of

OLD = "88dad0b"  # what is upgraded from: the last release, or what landed last before


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old version's files."""
    folder = tmp_path_factory.mktemp("old")
    try:
        packed = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as reason:
        pytest.skip(f"This copy does not have the version {OLD}: {reason}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


class Broken:
    """Answers that say that we failed; nginx's 502 to 504 and a busy 503 are tried again by every client."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def beside(self, hear: Callable[..., None]) -> Callable[..., None]:
        def heard(method: str, target: str, body: Any, answer: Answer) -> None:
            if answer.status >= 500 and answer.status not in PASSING:
                self.answers.append(str(answer))
            hear(method, target, body, answer)

        return heard


def run_in(tree: Path, stack: Stack, *arguments: str) -> None:
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    ran = subprocess.run(
        command, cwd=tree, env=stack.environment(*SERVICES), capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def begun_by(tree: Path, stack: Stack) -> None:
    """As the old version sets a stack up: its tables, its sample, its replicas, of which each has all rights."""
    stack.servers.launch()
    stack.servers.rabbitmq.wait_ready()
    for service in SERVICES:
        stack.servers.postgres.create_database(stack._database(service))
    stack._lay_out_keys()
    run_in(tree, stack, "migrate", "--sample")
    for process in stack.processes:
        process.folder = tree
        process.launch(WAYWARDEN_BROKER_URL=stack.environment(*SERVICES)["WAYWARDEN_BROKER_URL"])
    stack.proxy.start()
    for process in stack.processes:
        process.wait_ready()


def upgrade(processes: Iterable[Process]) -> None:
    """One after the other, as docs/operations.md says."""
    for process in processes:
        process.stop()
        assert process.status == 0, f"{process.name} did not stop cleanly:\n{process.log_end()}"
        process.folder = ROOT
        process.start()


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two replicas of each service, not started."""
    folder, replicas = tmp_path_factory.mktemp("upgraded"), dict.fromkeys(SERVICES, 2)
    try:
        made = Stack(folder, replicas=replicas, environment=SETTINGS, keep=False)
    except Missing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    yield made
    made.__exit__()


def test_replicas_are_upgraded_one_after_the_other_while_clients_work(stack: Stack, old: Path, size: Size) -> None:
    broken = Broken()
    begun_by(old, stack)
    loop = Loop(stack, wanted=size.stories, threads=4)
    loop.journal.hear = broken.beside(loop.journal.hear)  # type: ignore[method-assign]
    with loop:
        loop.await_story()
        run_in(ROOT, stack, "migrate")
        loop.await_story()
        upgrade(stack.process(service, 1) for service in SERVICES)
        play_a_gauge(stack)
        play_a_patrol(stack)
        for _ in range(3):
            loop.await_story()
        upgrade(stack.process(service, 0) for service in SERVICES)
        play_a_gauge(stack)
        play_a_patrol(stack)
        loop.await_story()
    assert not broken.answers
    audit(stack, loop)


def play_a_gauge(running: Stack | Embedded) -> None:
    with closing(System.of(running)) as system:
        story = GaugeStory(Cast(system), new_gauge(Cast(system).admin, "southwest"))
        story.rise()
        story.find_alert()
        story.await_order()
        story.acknowledge()
        story.fall()


def play_a_patrol(running: Stack) -> None:
    """Old and new replicas take looks at lamps and show them; each dark lamp gets its order."""
    with closing(System.of(running)) as system:
        cast = Cast(system)
        for _ in range(4):
            place = {"type": "Point", "coordinates": [24.945, 60.172]}
            lamp = {"code": f"patrolled-{uuid4()}", "kind": "street_light", "name": "", "geometry": place}
            cast.operator.post("/facilities", lamp)
            look = {"facility_code": lamp["code"], "lit": False}
            body = {"id": str(uuid4()), "checked_at": last_night().isoformat(), "lamps": [look]}
            cast.inspector.post("/light-checks", body)
            for _ in range(4):
                cast.inspector.get(f"/light-checks/{body['id']}")
            await_order_of(cast, lamp["code"])


def await_order_of(cast: Cast, lamp: object) -> None:
    def order() -> bool:
        found = list(cast.dispatcher.items("/findings", facility_code=lamp))
        assert len(found) <= 1
        return bool(found) and order_of(cast.dispatcher, finding_id=found[0]["id"]) is not None

    wait_for(order, f"the order of the dark lamp {lamp}")


def test_a_folder_of_the_old_version_is_brought_up_to_date_with_what_is_in_it(
    old: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    running = Embedded(tmp_path_factory.mktemp("embedded"), environment=SETTINGS)
    try:
        running.all.folder = old
        running.start()
        with Loop(running, wanted=2, threads=2) as before:
            pass
        play_a_gauge(running)
        upgrade([running.all])
        play_a_gauge(running)
        with Loop(running, wanted=2, threads=2) as after:
            pass
        await_settled(running)
        audit(running, before)
        audit(running, after)
        check_sums(running)
    finally:
        running.stop()
