"""The running systems that tests share: one of each way of running per test session, started when first asked for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from shutil import copy
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from deploy.servers import Missing
from deploy.stack import ROOT, Embedded, Stack
from services.assets.domain.catalogue import FILE as CATALOGUE
from shared.events.queues import SERVICES
from tests.client import System, wait_for
from tests.story import Cast

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # a slow machine is no fault of what is tested
gc.set_threshold(50_000, 20, 20)  # looking for garbage among all that was imported took a tenth of the time

Either: TypeAlias = Embedded | Stack
RUNNING: list[Either] = []


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """All services in one process."""
    with Embedded(tmp_path_factory.mktemp("embedded")) as running:
        RUNNING.append(running)
        yield running
        RUNNING.remove(running)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The production shape, with a catalogue file of its own."""
    folder = tmp_path_factory.mktemp("stack")
    copy(CATALOGUE, catalogue := folder / "catalogue.toml")
    try:
        made = Stack(folder, keep=False, environment={"WAYWARDEN_CATALOGUE": str(catalogue)})
    except Missing as reason:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(reason))
    with made as running:
        RUNNING.append(running)
        yield running
        RUNNING.remove(running)


@pytest.fixture(scope="session", params=["embedded", "stack"])
def running(request: pytest.FixtureRequest) -> Either:
    """One way of running after the other."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def system(running: Either) -> Iterator[System]:
    """The client's side of it."""
    made = System.of(running)
    yield made
    made.close()


@pytest.fixture
def cast(system: System) -> Cast:
    return Cast(system)


def settings_of(running: Either) -> dict[str, str]:
    """The environment in which commands work on this system."""
    return running.environment(*SERVICES) if isinstance(running, Stack) else running.all.environment


def run_cli(running: Either, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m deploy.cli …`` on this system."""
    command = [sys.executable, "-m", "deploy.cli", *arguments]
    return subprocess.run(command, env=settings_of(running), cwd=ROOT, capture_output=True, text=True, timeout=120)


def pending(system: System) -> dict[str, float]:
    """Events that are not yet published, or that wait for another try, by service."""
    found = {}
    for service in SERVICES:
        figures = system.figures(service)
        names = ("waywarden_outbox_pending", "waywarden_retries", "waywarden_dead_letters")
        found[service] = sum(figures.get(name, service=service) or 0 for name in names)
    return {service: amount for service, amount in found.items() if amount}


def await_quiet(system: System) -> None:
    """Wait until every event has left its outbox and none is parked."""
    wait_for(lambda: not pending(system), lambda: f"quiet: {pending(system)}")


def prove_sums(running: Either, system: System) -> None:
    """The recount finds every running sum right."""
    await_quiet(system)
    recount = run_cli(running, "recount")
    assert recount.returncode == 0, recount.stdout + recount.stderr


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the running systems logged last."""
    report = yield
    if report.failed:
        for running in RUNNING:
            for process in running.processes:
                report.sections.append((f"log of {process.name} in {running.folder}", process.log_end(25)))
    return report
