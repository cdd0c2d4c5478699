"""``make stack`` as one uses it: what it prints works, what dies comes back, and nobody holds more than they need."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.request import urlopen

import psycopg2
import pytest
from amqp.exceptions import AccessRefused
from kombu import Connection

from deploy.process import answers, free_port, send
from deploy.servers import RUNNING, Servers, missing
from deploy.stack import ROOT, Stack, is_live
from services.assets.domain.catalogue import FILE
from shared.events.queues import QUEUES, SERVICES, exchange_of
from tests.client import System, wait_for
from tests.paused import paused

pytestmark = pytest.mark.skipif(
    bool(missing(*RUNNING)) and not os.environ.get("CI"), reason=f"not installed: {missing(*RUNNING)}"
)


@dataclass
class Up:
    """A stack that was started by its command, in a folder whose name shells trip over."""

    folder: Path
    log: Path
    command: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return self.log.read_text()

    def status(self) -> dict[str, tuple[str, int]]:
        with suppress(OSError, ValueError):
            return {each["name"]: (each["state"], each["pid"]) for each in json.loads(self.file("status.json"))}
        return {}

    def file(self, name: str) -> str:
        return (self.folder / name).read_text()

    def environment(self, service: str) -> dict[str, str]:
        """What the running process was given, as the kernel shows it."""
        text = Path(f"/proc/{self.status()[f'{service}-0'][1]}/environ").read_text()
        return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    # Not below pytest's own folder: only root may go there, so the servers' files would lie elsewhere.
    home = Path(mkdtemp(prefix="waywarden-up-"))
    home.chmod(0o711)
    folder = home / "城 'a' \"b\\c\" $HOME;{}"
    log, port = folder.parent / "said.log", free_port()
    command = ["make", "-s", "stack", f"PORT={port}", f"STACK={folder}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=plain(), stdout=out, stderr=out, start_new_session=True)
    made = Up(folder, log, process)
    try:
        wait_for(lambda: process.poll() is not None or ("account admin" in made.said and made.status()), "up", 180)
        yield made
    finally:
        down = [sys.executable, "-m", "deploy.stack", "down", "--folder", str(folder)]
        subprocess.run(down, cwd=ROOT, timeout=150, check=True)
        process.wait(30)
        rmtree(home)


def test_a_first_start_on_a_wrong_catalogue_is_refused_and_leaves_nothing_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.stack", "up", "--folder", str(tmp_path / "s"), "--port", str(free_port())]
    missing_file = tmp_path / "city.toml"
    told = subprocess.run(
        command, cwd=ROOT, env=plain() | {"WAYWARDEN_CATALOGUE": str(missing_file)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert told.returncode == 1
    (line,) = told.stderr.strip().splitlines()
    assert f"WAYWARDEN_CATALOGUE is {missing_file}, which cannot be used" in line
    assert "runs on" not in told.stdout
    servers = Servers(tmp_path / "s")
    assert not answers(servers.postgres.port)
    assert not answers(servers.rabbitmq.port)
    missing_file.write_bytes(FILE.read_bytes())  # the next start, on what the first one left, is a first start still
    with Stack(tmp_path / "s", environment={"WAYWARDEN_CATALOGUE": str(missing_file)}) as stack:
        system = System.of(stack)
        assert system.figure("assets", "waywarden_catalogue_refused") == 0


def plain() -> dict[str, str]:
    """The environment of somebody's shell."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "WAYWARDEN_"))}


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=ROOT, env=plain(), capture_output=True, text=True, timeout=150)


@pytest.mark.parametrize("server", ["postgres", "rabbitmq", "nginx"])
def test_the_servers_work_in_a_folder_with_any_name(up: Up, server: str) -> None:
    assert (up.folder / server).is_dir()
    assert up.status()[server][0] == "running"


def test_the_broker_sees_how_full_the_disk_is_whatever_its_folder_is_called(up: Up) -> None:
    free = Servers(up.folder).rabbitmq.ctl("eval", "rabbit_disk_monitor:get_disk_free().")
    assert int(free) > 0


@pytest.mark.parametrize("target", ["token", "demo"])
def test_the_printed_line_works_as_it_is_printed(up: Up, target: str) -> None:
    (line,) = re.findall(rf"make {target} .*", up.said)
    done = shell(line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"token": "eyJ", "demo": "What moved"}[target] in done.stdout


def test_the_settings_file_lets_commands_work_on_the_stack(up: Up) -> None:
    environment = plain() | {"WAYWARDEN_SETTINGS": str(up.folder / "stack.env")}
    command = [sys.executable, "-m", "deploy.cli", "events", "list", "--service", "workorders", "--all"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_given_its_own_passwords_only(up: Up, service: str) -> None:
    given = up.environment(service)
    kept = json.loads(up.file("servers.json"))
    passwords = {name: value for name, value in kept.items() if name.endswith("password")}
    found = {name for name, value in passwords.items() if value in "\n".join(given.values())}
    assert found == {f"{service} password", f"rabbitmq {service} password"}


@pytest.mark.parametrize("service", SERVICES)
def test_only_who_signs_is_led_to_the_signing_key(up: Up, service: str) -> None:
    given = up.environment(service)
    keys = Path(given["WAYWARDEN_KEYS"])
    assert (keys / "jwks.json").exists()
    assert (keys / "signing.pem").exists() == (service == "workorders")
    assert not list(Path(given["WAYWARDEN_DATA"]).rglob("signing.pem"))
    signing = {path for name in given for path in [Path(given[name], "signing.pem")] if given[name].startswith("/")}
    assert any(path.exists() for path in signing) == (service == "workorders")


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_role_enters_no_other_database(up: Up, service: str) -> None:
    url = up.environment(service)[f"WAYWARDEN_DATABASE_URL_{service.upper()}"].replace("+psycopg2", "")
    psycopg2.connect(url).close()
    for other in set(SERVICES) - {service}:
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url.rpartition("/")[0] + f"/{other}").close()


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_broker_user_touches_nothing_of_the_others(up: Up, service: str) -> None:
    queue = next(each for each in QUEUES if not each.startswith(f"{service}."))
    exchange = exchange_of(queue.partition(".")[0])
    forbidden: list[Callable[[Any], object]] = [
        lambda channel: channel.queue_delete(queue),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.queue_bind(queue, exchange_of(service), "any"),
        lambda channel: channel.exchange_delete(exchange),
        lambda channel: channel.queue_declare("mine"),
        lambda channel: publish(channel, exchange),
        lambda channel: publish(channel, ""),
    ]
    with Connection(up.environment(service)["WAYWARDEN_BROKER_URL"]) as connection:
        for each in forbidden:
            channel = connection.channel()
            with pytest.raises(AccessRefused):
                each(channel)
        publish(connection.channel(), exchange_of(service))


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_broker_user_may_find_out_what_the_broker_drops(up: Up, service: str) -> None:
    """Nothing, under ``make stack``; each service tries it at its start."""
    system = System.in_folder(up.folder, port=0)
    found = wait_for(lambda: system.figure(service, "waywarden_broker_delivery_limit", service=service), "the figure")
    assert found == math.inf


def publish(channel: Any, exchange: str) -> None:
    """And wait for the broker's word."""
    message = channel.prepare_message("{}", content_encoding="utf-8")
    channel.basic_publish_confirm(message, exchange, "nobody.hears.it")


def test_nobody_else_can_read_its_files(up: Up) -> None:
    ours = [
        up.folder / name for name in ("data", "keys", "public-keys", "log", "stack.env", "servers.json", "stack.json")
    ]
    every = [path for each in ours for path in [each, *each.rglob("*")]]
    assert len(every) > 10
    assert not [path for path in every if path.stat().st_mode & 0o077]
    assert up.folder.stat().st_mode & 0o066 == 0


@pytest.mark.parametrize("name", ["postgres", "rabbitmq", "nginx", "alerts-0"])
def test_what_is_killed_is_told_of_and_comes_back(up: Up, name: str) -> None:
    _, pid = up.status()[name]
    send(pid, signal.SIGKILL)
    wait_for(lambda: up.status().get(name, ("", pid))[0] == "running" and up.status()[name][1] != pid, "a new one", 60)
    assert f"{name} ended with status -9" in up.said
    assert f"{name} ended with status -9" in up.file("log/stack.log")
    port = json.loads(up.file("stack.json"))["alerts 0 port"]
    wait_for(lambda: is_live(int(port)) and ready(int(port)), "alerts is ready", 60)


def ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
            return b'"status":"ok"' in answer.read()
    except OSError:
        return False


def status_of(up: Up) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.stack", "status", "--folder", str(up.folder)]
    return subprocess.run(command, cwd=ROOT, env=plain(), capture_output=True, text=True, timeout=60)


def test_the_status_shows_every_process(up: Up) -> None:
    wait_for(lambda: status_of(up).returncode == 0, "all run and answer", 60)
    told = status_of(up)
    for name in ("postgres", "rabbitmq", "nginx", *(f"{service}-0" for service in SERVICES)):
        assert re.search(rf"{name} +running +process \d+", told.stdout)


@pytest.mark.parametrize("name", ["postgres", "rabbitmq", "nginx", "assets-0"])
def test_the_status_tells_what_lives_and_does_not_answer(up: Up, name: str) -> None:
    wait_for(lambda: status_of(up).returncode == 0, "all run and answer", 60)
    pid = up.status()[name][1]
    with paused(pid):
        told = status_of(up)
    assert told.returncode == 1
    assert re.search(rf"{name} +not answering +process {pid}", told.stdout), told.stdout
    assert f"{name} ended" not in told.stdout
    wait_for(lambda: status_of(up).returncode == 0, "all answer again", 60)


def test_a_broker_with_an_alarm_is_told_of_and_left_alone(up: Up) -> None:
    wait_for(lambda: status_of(up).returncode == 0, "all run and answer", 60)
    broker, pid = Servers(up.folder).rabbitmq, up.status()["rabbitmq"][1]
    broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        told = wait_for(lambda: next((t for t in [status_of(up)] if t.returncode), None), "the alarm is told", 60)
    finally:
        broker.ctl("set_vm_memory_high_watermark", "0.4")
    assert re.search(rf"rabbitmq +short of memory or disk +process {pid}", told.stdout), told.stdout
    wait_for(lambda: status_of(up).returncode == 0, "it takes events again", 60)
    assert up.status()["rabbitmq"][1] == pid


def test_a_broker_that_lives_and_keeps_nothing_is_started_anew(up: Up) -> None:
    """As after a full disk: the process that writes the log of all quorum queues is gone."""
    wait_for(lambda: status_of(up).returncode == 0, "all run and answer", 60)
    broker, pid = Servers(up.folder).rabbitmq, up.status()["rabbitmq"][1]
    broker.ctl("eval", "supervisor:terminate_child(ra_log_sup, ra_log_wal_sup).")
    assert "keeps no events" in status_of(up).stdout
    wait_for(lambda: up.status().get("rabbitmq", ("", pid))[1] not in (pid, None), "another broker", 120)
    told = "it lives and keeps no events, 3 times in a row, and no alarm stands"
    assert told in up.said
    assert told in up.file("log/stack.log")
    wait_for(lambda: status_of(up).returncode == 0, "all run and answer", 60)
    assert told in status_of(up).stdout
    done = shell(next(iter(re.findall(r"make demo .*", up.said))))
    assert done.returncode == 0, done.stdout + done.stderr
