"""The production shape on this machine: a process per service and replica, a database per service, and a proxy.

``python -m deploy.stack up|down|status``. In Python, the same interface for both ways of running::

    with Stack(Path(".stack"), replicas={"workorders": 2}) as stack:     # or Embedded(folder)
        stack.base_url, stack.metrics_url("assets"), stack.database_url("assets")
        stack.process("assets").kill(); stack.process("assets").start(WAYWARDEN_FAILPOINT="…")
        stack.servers.rabbitmq.stop(); stack.servers.rabbitmq.start()
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import click

from deploy.asking import status_of, troubles
from deploy.broker_rights import ADMINISTRATOR
from deploy.broker_watch import BrokerWatch
from deploy.data_folder import close_to_others
from deploy.keys import make_keys
from deploy.process import NotStarted, Process, answers, free_port, halted, wait_until
from deploy.proxy import Proxy
from deploy.servers import RUNNING, Kept, Missing, Servers, install
from deploy.settings import strangers
from deploy.supervision import Supervisor, all_run, pids, told
from shared.events.queues import SERVICES
from shared.files import write_whole

ROOT = Path(__file__).parent.parent
SIGNING = "workorders"  # the service that makes tokens
SETTINGS, STATUS, TARGETS = "stack.env", "status.json", "targets.json"  # in its folder


class Running(ABC):
    """What runs within a ``with``."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()


class Stack(Running):
    """Servers, services and proxy, all their files in one folder. Stopped, it goes on from there at the next start.

    ``port`` is the proxy's; by default a free one, the same at each start. ``servers`` that already run may be given:
    then ``name`` sets this stack's databases and queues apart, and stopping leaves them running.
    ``environment`` goes to every service. ``sample`` loads the sample city at the first start. Without ``keep`` leaving
    the ``with`` deletes every file of its own servers, of which some may lie outside the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        replicas: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        sample: bool = True,
        servers: Servers | None = None,
        name: str = "",
        keep: bool = True,
    ) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keep = keep
        self.servers = servers or Servers(self.folder)
        self.data = self.folder / "data"
        self.keys = self.folder / "keys"
        self.public_keys = self.folder / "public-keys"
        self.name = name
        self._owns_servers = servers is None
        self._sample = sample
        self._kept = Kept(self.folder / "stack.json")
        self._extra = dict(environment or {})
        counts = {service: (replicas or {}).get(service, 1) for service in SERVICES}
        self._ports = {each: [self._kept.port(f"{each} {i}") for i in range(counts[each])] for each in SERVICES}
        self.proxy = Proxy(self.servers.home, port=port or self._kept.port("proxy"), ports=self._ports)
        self.services = {each: [self._service(each, i) for i in range(counts[each])] for each in SERVICES}

    @property
    def base_url(self) -> str:
        return self.proxy.base_url

    @property
    def processes(self) -> list[Process]:
        """Of the services, not of the servers."""
        return [each for replicas in self.services.values() for each in replicas]

    @property
    def everything(self) -> list[Process]:
        """The servers, the services and the proxy, in the order of starting."""
        return [self.servers.postgres, self.servers.rabbitmq, *self.processes, self.proxy]

    def process(self, service: str, replica: int = 0) -> Process:
        return self.services[service][replica]

    def ports(self, service: str) -> list[int]:
        return self._ports[service]

    def service_url(self, service: str, replica: int = 0) -> str:
        """The service's own port, past the proxy: for /metrics and /health."""
        return f"http://127.0.0.1:{self._ports[service][replica]}"

    def metrics_url(self, service: str, replica: int = 0) -> str:
        return self.service_url(service, replica) + "/metrics"

    def database_url(self, service: str) -> str:
        return self.servers.postgres.url(self._database(service))

    def start(self) -> None:
        """Everything, in order; returns when each service answers. Raises NotStarted with the log of what failed."""
        self.prepare()
        for process in self.processes:
            process.launch()
        self.proxy.start()
        for process in self.processes:
            process.wait_ready()

    def prepare(self) -> None:
        """All that comes before the services: databases, keys and sample city, and a broker that drops nothing."""
        if self._owns_servers:
            self.servers.launch()
        if self.name:
            self.servers.rabbitmq.add_vhost(self.name)
        for service in SERVICES:
            self.servers.postgres.create_database(self._database(service))
        self._lay_out_keys()
        self.run("migrate", "--sample" if self._sample else "--empty")
        if self._owns_servers:
            self.servers.rabbitmq.wait_ready()

    def _lay_out_keys(self) -> None:
        """Only who signs is told of the folder with the signing key."""
        if (old := self.data / "keys").exists() and not self.keys.exists():
            old.rename(self.keys)
        make_keys(self.keys)
        write_whole(self.public_keys / "jwks.json", (self.keys / "jwks.json").read_bytes(), self.public_keys)

    def run(self, *arguments: str) -> str:
        """``python -m deploy.cli …`` with this stack's settings. What it said; raises NotStarted when it failed."""
        log = self.folder / "log" / f"{arguments[0]}.log"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        job = Process(
            arguments[0], command, log=log, ready=lambda: True, environment=self.environment(*SERVICES), folder=ROOT
        )
        job.launch()
        failed, said = job.wait(600), log.read_text()
        log.unlink()  # it may hold a password
        if failed:
            reason = said.rpartition("\nError: ")[2].removeprefix("Error: ")
            raise NotStarted(f"deploy.cli {' '.join(arguments)} failed: {reason.strip()}")
        return said

    def close_to_others(self) -> None:
        """All that is ours in the folder; the servers' own users hold the rest."""
        for each in (self.data, self.keys, self.public_keys, self.folder / "log"):
            close_to_others(each)
        for path in self.folder.iterdir():
            if path.is_file():
                path.chmod(0o600)

    def administrator(self) -> str:
        """At the first start make the first account: its password, which is shown this once."""
        if self._kept.has("admin"):
            return ""
        said = self.run("admin")
        self._kept.get("admin", lambda: "made")
        return said

    def stop(self) -> None:
        """Services finish what they hold; then the servers end."""
        self.proxy.stop()
        stop_together(self.processes)
        if self._owns_servers:
            self.servers.stop()

    def __exit__(self, *failure: object) -> None:
        self.stop()
        if self._owns_servers and not self.keep:
            self.servers.remove()

    def environment(self, *services: str) -> dict[str, str]:
        """The settings of a process that runs these services: what they need, and with all four what anybody does."""
        alone = services[0] if len(services) == 1 else None
        settings = {
            "SERVICES": ",".join(services),
            "HOST": "127.0.0.1",
            "DATA": str(self.data),
            "KEYS": str(self.keys if SIGNING in services else self.public_keys),
            "PUBLIC_URL": self.base_url,
            "PROXIES": "127.0.0.1/32",  # ours: without it all people behind it would count as one address
            "BROKER_URL": self.servers.rabbitmq.url_of(self.name or "/", alone or ADMINISTRATOR),
        } | {f"DATABASE_URL_{each.upper()}": self.database_url(each) for each in services}
        return process_environment(settings) | self._extra

    def _database(self, service: str) -> str:
        return f"{self.name}_{service}" if self.name else service

    def _service(self, service: str, replica: int) -> Process:
        port = self._ports[service][replica]
        return Process(
            f"{service}-{replica}",
            [sys.executable, "-m", "deploy.runner", service],
            log=self.folder / "log" / f"{service}-{replica}.log",
            ready=lambda: is_live(port),
            environment=self.environment(service) | {"WAYWARDEN_PORT": str(port)},
            folder=ROOT,
        )


class Embedded(Running):
    """The other way to run, for tests that play the same story on both: all services in one process."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        sample: bool = True,
    ) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.keys = self.data / "keys"
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        settings = {"HOST": "127.0.0.1", "PORT": str(self.port), "DATA": str(self.data), "KEYS": str(self.keys)}
        settings["EMPTY"] = "" if sample else "1"
        self.all = Process(
            "embedded",
            [sys.executable, "-m", "deploy.runner"],
            log=self.folder / "log" / "embedded.log",
            ready=lambda: is_live(self.port),
            environment=process_environment(settings) | dict(environment or {}),
            folder=ROOT,
        )
        self.processes = [self.all]

    def process(self, service: str, replica: int = 0) -> Process:
        return self.all

    def service_url(self, service: str, replica: int = 0) -> str:
        return self.base_url

    def metrics_url(self, service: str, replica: int = 0) -> str:
        return self.base_url + "/metrics"

    def database_url(self, service: str) -> str:
        return f"sqlite:///{self.data / service}.sqlite"

    def start(self) -> None:
        self.all.start(timeout_s=180)

    def stop(self) -> None:
        self.all.stop()


def process_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without what leads to databases, and with these settings."""
    secret = ("WAYWARDEN_DATABASE_URL_", "WAYWARDEN_BROKER_URL", "WAYWARDEN_SETTINGS", "WAYWARDEN_KEYS")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(secret)}
    return ours | {"PYTHONUNBUFFERED": "1"} | {f"WAYWARDEN_{name}": text for name, text in settings.items()}


def stop_together(processes: list[Process]) -> None:
    for process in processes:
        if process.running:
            process.send(signal.SIGTERM)
    for process in processes:
        process.stop()


def is_live(port: int) -> bool:
    return status_of(port, "/health/live", within_s=2) == 200


# --- the command --------------------------------------------------------------------------------------------------

folder_option = click.option("--folder", type=click.Path(path_type=Path), default=Path(".stack"), show_default=True)


@click.group()
def main() -> None:
    """The production shape on this machine."""


@main.command()
@folder_option
@click.option("--port", type=int, default=8000, show_default=True, help="of the proxy")
@click.option("--replicas", type=int, default=1, show_default=True, help="of each service")
@click.option("--empty", is_flag=True, help="without the sample city")
def up(folder: Path, port: int, replicas: int, empty: bool) -> None:
    """Start everything, stay in the foreground, and stop everything at Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.umask(0o077)  # what is written here is for nobody else on this machine
    folder.mkdir(parents=True, exist_ok=True)
    for each in strangers():
        click.echo(f"Warning: {each}")
    try:
        install(*RUNNING)
        with alone(folder):
            stack = Stack(folder, port=port, replicas=dict.fromkeys(SERVICES, replicas), sample=not empty)
            refuse_taken(port)
            click.echo(f"Starting in {stack.folder} …")
            run_until_told(stack)
    except (Missing, NotStarted) as reason:
        raise click.ClickException(str(reason)) from None


@main.command()
@folder_option
def down(folder: Path) -> None:
    """Stop the stack that runs in the folder."""
    pid = running_pid(folder)
    if pid is None:
        click.echo("Nothing runs there.")
        return
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: running_pid(folder) is None, 120, lambda: f"process {pid} does not stop")


@main.command()
@folder_option
def status(folder: Path) -> None:
    """Say whether a stack runs in the folder, and ask each of its processes. Exit code 1 unless all run and answer."""
    pid = running_pid(folder)
    click.echo(f"Runs as process {pid}." if pid else "Nothing runs there.")
    if not pid or not (folder / STATUS).exists():
        sys.exit(1)
    found = troubles(as_it_runs(folder), pids(folder / STATUS))
    click.echo("\n".join(told(folder / STATUS, found)))
    if halted(pid):
        click.echo(f"Process {pid} is stopped: nobody starts again what dies. Do: kill -CONT {pid}")
    sys.exit(0 if all_run(folder / STATUS) and not any(found.values()) and not halted(pid) else 1)


def as_it_runs(folder: Path) -> Stack:
    """With the port and the replicas that its start was given."""
    replicas = {each: sum(name.startswith(f"{each}-") for name in pids(folder / STATUS)) for each in SERVICES}
    port = re.search(r"^WAYWARDEN_PUBLIC_URL=.*:(\d+)", (folder / SETTINGS).read_text(), re.MULTILINE)
    return Stack(folder, port=int(port[1]) if port else None, replicas=replicas)


@main.command()
@folder_option
def settings(folder: Path) -> None:
    """Print the settings of the folder's stack, passwords included: a file for WAYWARDEN_SETTINGS."""
    if not (folder / "stack.json").exists():
        raise click.ClickException(f"There is no stack in {folder}.")
    click.echo(settings_text(Stack(folder)), nl=False)


def settings_text(stack: Stack) -> str:
    given = sorted(stack.environment(*SERVICES).items())
    return "".join(f"{name}={dotenv(value)}\n" for name, value in given if name.startswith("WAYWARDEN_"))


def dotenv(value: str) -> str:
    """As python-dotenv reads it back: folders may have spaces, quotes and dollars in their names."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def run_until_told(stack: Stack) -> None:
    try:
        with stack:
            stack.close_to_others()
            write_whole(stack.folder / SETTINGS, settings_text(stack).encode(), stack.folder)
            write_whole(stack.folder / TARGETS, json.dumps(targets_of(stack)).encode(), stack.folder)
            click.echo(greeting(stack))
            click.echo(stack.administrator())
            watch(stack)
    except KeyboardInterrupt:
        click.echo("Stopped. The data stays in the folder.")
    finally:
        (stack.folder / STATUS).unlink(missing_ok=True)


def watch(stack: Stack) -> None:
    """Start again what dies, as an orchestrator would, and keep the story of it in the log."""

    def tell(line: str) -> None:
        click.echo(line)
        with suppress(OSError), (stack.folder / "log" / "stack.log").open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")

    (stack.folder / STATUS).unlink(missing_ok=True)
    with supervised(stack, tell) as look:
        while True:
            look()
            time.sleep(0.5)


@contextmanager
def supervised(stack: Stack, tell: Callable[[str], object]) -> Iterator[Callable[[], None]]:
    """What is to be called twice a second or so; meanwhile the broker is watched too."""
    supervisor, broker = Supervisor(stack.everything, path=stack.folder / STATUS, tell=tell), stack.servers.rabbitmq
    watched = BrokerWatch(broker, lambda why: supervisor.end(broker.name, why))
    watched.start()
    try:
        yield supervisor.look
    finally:
        watched.stop()


def targets_of(running: Embedded | Stack) -> list[dict[str, list[str]]]:
    """What Prometheus is to ask, as it reads it from a file."""
    if isinstance(running, Embedded):
        return [{"targets": [f"127.0.0.1:{running.port}"]}]
    ports = [port for service in SERVICES for port in running.ports(service)]
    return [{"targets": [f"127.0.0.1:{port}" for port in ports]}]


def greeting(stack: Stack) -> str:
    rows = [f"  {each:<12} {stack.metrics_url(each, i)}" for each in SERVICES for i in range(len(stack.services[each]))]
    return "\n".join(
        [
            f"Waywarden runs on {stack.base_url}  (try {stack.base_url}/docs)",
            "Metrics, past the proxy:",
            *rows,
            f"A token: make token ROLE=dispatcher {given('STACK', stack.folder)}",
            f"The story, played: make demo PORT={stack.proxy.port} {given('STACK', stack.folder)}",
            f"Logs: {shown(stack.folder / 'log')}   Ctrl-C stops everything.",
        ]
    )


def given(name: str, path: Path) -> str:
    """What one types after make, in a shell."""
    return shlex.quote(f"{name}={shown(path)}")


def shown(path: Path) -> Path:
    """As one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def refuse_taken(port: int) -> None:
    if answers(port):
        raise NotStarted(f"Something else listens on port {port}. Choose another: make stack PORT=…")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Raises NotStarted when a stack runs in this folder already."""
    with (folder / "stack.pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(f"A stack runs in {folder} already.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def running_pid(folder: Path) -> int | None:
    path = folder / "stack.pid"
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None


if __name__ == "__main__":
    main()
