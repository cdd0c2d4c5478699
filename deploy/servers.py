"""PostgreSQL and RabbitMQ of our own on this machine: private instances on free ports, from Debian's packages.

``python -m deploy.servers install`` installs what is missing. In Python::

    with Servers(Path(".stack")) as servers:          # or: with temporary() as servers
        servers.postgres_url("assets"), servers.amqp_url
        servers.rabbitmq.kill(); servers.rabbitmq.start()

Durability is what the packages default to. Nothing has a default password: each is drawn at the first start and kept in
``servers.json``, which only its owner reads.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

import psycopg2
from psycopg2 import sql

from deploy.broker_rights import ADMINISTRATOR, OURS, definitions
from deploy.process import Process, answers, free_port
from shared.events.queues import SERVICES
from shared.files import write_whole

HERE = Path(__file__).parent
RABBITMQ = Path("/usr/lib/rabbitmq/bin")
POLICY = Path("/usr/sbin/policy-rc.d")
OWN_FOLDER = "/proc/self/cwd"  # as a process names the folder that it works in, whatever that is called
AMQP_0_9_1 = b"AMQP\x00\x00\x09\x01"
PACKAGES: dict[str, Callable[[], bool]] = {
    "postgresql": lambda: bool(postgres_programs()),
    "rabbitmq-server": lambda: (RABBITMQ / "rabbitmq-server").exists(),
    "nginx": lambda: nginx_program().exists(),
    "prometheus": lambda: shutil.which("promtool") is not None,  # for tests only
    "faketime": lambda: any(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")),  # and these for drills
    "iptables": lambda: shutil.which("iptables", path="/usr/sbin:/sbin") is not None,
}
RUNNING = ("postgresql", "rabbitmq-server", "nginx")  # what a stack is made of


class Missing(Exception):
    """A server's package is not installed, and we may not install it."""


class Kept:
    """Values that are drawn once and the same ever after: ports and passwords."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, draw: Callable[[], str]) -> str:
        if name not in self._values:
            self._values[name] = draw()
            write_whole(self.path, json.dumps(self._values, indent=1).encode(), self.path.parent)
        return self._values[name]

    def has(self, name: str) -> bool:
        return name in self._values

    def port(self, name: str) -> int:
        return int(self.get(f"{name} port", lambda: str(free_port())))

    def password(self, name: str) -> str:
        return self.get(f"{name} password", lambda: secrets.token_urlsafe(24))


def buffers_mb() -> int:
    """A quarter of the memory, as PostgreSQL's manual advises; a city of a million facilities fills about 1 GB."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return min(memory_mb // 4, 1_024)


class Postgres(Process):
    """A cluster with one database and one role of its own for each service."""

    def __init__(self, folder: Path, kept: Kept) -> None:
        self.port = kept.port("postgres")
        self._kept = kept
        self._data = folder / "postgres" / "data"
        programs = postgres_programs()
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "400",
            "shared_buffers": f"{buffers_mb()}MB",
        }
        super().__init__(
            "postgres",
            [f"{programs}/postgres", "-D", str(self._data), *(f"--{key}={value}" for key, value in options.items())],
            log=folder / "postgres.log",
            ready=self._ready,
            environment=plain_environment(),
            user="postgres",
            orphaned=signal.SIGQUIT,  # with SIGKILL its children would stay for a while
            folder=Path("/"),
        )

    def launch(self, **extra: str) -> None:
        if not self._data.exists():
            self._initialise()
        super().launch(**extra)

    def stop(self, sig: signal.Signals = signal.SIGINT, *, timeout_s: float = 30) -> None:
        """SIGINT: clients are cut off, committed work is kept."""
        super().stop(sig, timeout_s=timeout_s)

    def url(self, database: str) -> str:
        """SQLAlchemy's, with the role of the same name."""
        return f"postgresql+psycopg2://{database}:{self._kept.password(database)}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create a database and its role unless they are there, and answer its URL."""
        role, password = sql.Identifier(name), sql.Literal(self._kept.password(name))
        if not self.execute("SELECT 1 FROM pg_database WHERE datname = %s", name):
            self.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            self.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(role))
            self.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def execute(self, statement: str | sql.Composable, *values: object) -> list[tuple[object, ...]]:
        """As superuser, outside a transaction."""
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        password = self._kept.password("postgres")
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user="postgres", password=password, connect_timeout=5
        )

    def _ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _initialise(self) -> None:
        home = owned(self._data.parent, self.user)
        password = home / "password"
        password.touch(mode=0o600)
        password.write_text(self._kept.password("postgres"))
        give(password, self.user)
        command = [f"{postgres_programs()}/initdb", "-D", str(self._data), "-U", "postgres", f"--pwfile={password}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        try:
            run(command, self.user)
        finally:
            password.unlink()


class RabbitMQ(Process):
    """One node with its own name, cookie and port mapper. Quorum queues work on it, with one member.

    It works in its folder and is told no other path than OWN_FOLDER: its configuration file can hold only latin1, and
    it cannot see how full the disk is where its folder's name goes beyond that, or has a quote.
    """

    def __init__(self, folder: Path, kept: Kept) -> None:
        self.port = kept.port("rabbitmq")
        self._kept = kept
        self._home = folder / "rabbitmq"
        self._mapper = Process(
            "epmd",
            ["epmd", "-port", str(kept.port("epmd")), "-address", "127.0.0.1"],
            log=folder / "epmd.log",
            ready=lambda: answers(kept.port("epmd")),
            environment=plain_environment(),
            user="rabbitmq",
            folder=Path("/"),
        )
        super().__init__(
            "rabbitmq",
            [str(RABBITMQ / "rabbitmq-server")],
            log=folder / "rabbitmq.log",
            ready=lambda: answers(self.port, AMQP_0_9_1),
            environment=self._environment(),
            user="rabbitmq",
            folder=self._home,
        )

    @property
    def url(self) -> str:
        return self.url_of("/")

    def url_of(self, vhost: str, user: str = ADMINISTRATOR) -> str:
        """The administrator's, or that of a service's user."""
        return f"amqp://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{vhost}"

    @property
    def credentials(self) -> tuple[str, str]:
        """The administrator's name and password."""
        return ADMINISTRATOR, self._passwords[ADMINISTRATOR]

    @property
    def _passwords(self) -> dict[str, str]:
        kept = {ADMINISTRATOR: "rabbitmq"} | {service: f"rabbitmq {service}" for service in SERVICES}
        return {user: self._kept.password(name) for user, name in kept.items()}

    def add_vhost(self, name: str) -> str:
        """A namespace of queues of its own, unless it is there. Answers its URL; takes a second or two."""
        private_file(self._home / "vhost.json", definitions(name, self._passwords), self.user)
        self.ctl("import_definitions", "vhost.json")
        return self.url_of(name)

    def set_policy(self, vhost: str, definition: Mapping[str, object]) -> None:
        """Of all the queues of the services, those that are there and those to come; it outweighs the imported one."""
        how = ("--priority", "1", "--apply-to", "queues")
        self.ctl("set_policy", "-p", vhost, "chosen", OURS, json.dumps(definition), *how)

    def ctl(self, *arguments: str) -> str:
        """rabbitmqctl on this node: its output."""
        return run([str(RABBITMQ / "rabbitmqctl"), "--quiet", *arguments], self.user, self.environment, self._home)

    def launch(self, **extra: str) -> None:
        if not self._home.exists():
            self._initialise()
        private_file(self._home / "rabbitmq.conf", self._configuration(), self.user)
        private_file(self._home / "definitions.json", definitions("/", self._passwords), self.user)
        # We start the port mapper ourselves: the node would leave one behind.
        self._mapper.start()
        super().launch(**extra)

    def stop(self, sig: signal.Signals = signal.SIGTERM, *, timeout_s: float = 60) -> None:
        super().stop(sig, timeout_s=timeout_s)
        self._mapper.stop()

    def kill(self) -> None:
        super().kill()
        self._mapper.kill()

    def _environment(self) -> dict[str, str]:
        return plain_environment() | {
            "HOME": OWN_FOLDER,
            "ERL_EPMD_PORT": str(self._kept.port("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "waywarden@localhost",
            "RABBITMQ_DIST_PORT": str(self._kept.port("rabbitmq distribution")),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": f"{OWN_FOLDER}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{OWN_FOLDER}/none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{OWN_FOLDER}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{OWN_FOLDER}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{OWN_FOLDER}/mnesia",
            "RABBITMQ_LOG_BASE": f"{OWN_FOLDER}/log",
            "detached": "true",  # the start script then becomes the node instead of watching it
        }

    def _initialise(self) -> None:
        home = owned(self._home, self.user)
        private_file(home / ".erlang.cookie", secrets.token_hex(20), self.user, mode=0o400)
        private_file(home / "enabled_plugins", "[].\n", self.user)

    def _configuration(self) -> str:
        return filled(HERE / "rabbitmq.conf", {"port": str(self.port), "user": ADMINISTRATOR})


class Servers:
    """Both servers, in one folder that holds all their files. A folder can be stopped, and started later again."""

    def __init__(self, folder: Path) -> None:
        require("postgresql", "rabbitmq-server")
        self.folder = folder.absolute()
        self.home = reachable(self.folder)
        self.kept = Kept(self.folder / "servers.json")
        self.postgres = Postgres(self.home, self.kept)
        self.rabbitmq = RabbitMQ(self.home, self.kept)

    @property
    def amqp_url(self) -> str:
        return self.rabbitmq.url

    def postgres_url(self, service: str) -> str:
        return self.postgres.url(service)

    def start(self) -> None:
        """Start both at once; then every service has its empty or former database."""
        self.launch()
        self.rabbitmq.wait_ready()

    def launch(self) -> None:
        """The same without waiting for RabbitMQ, which takes the longest."""
        self.rabbitmq.launch()
        self.postgres.start()
        for service in SERVICES:
            self.postgres.create_database(service)

    def stop(self) -> None:
        for server in (self.rabbitmq, self.postgres):
            server.stop()

    def remove(self) -> None:
        """Stop, and delete every file."""
        self.stop()
        for folder in {self.home, self.folder}:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()


@contextmanager
def temporary() -> Iterator[Servers]:
    """Servers in a temporary folder, removed at the end."""
    servers = Servers(Path(tempfile.mkdtemp(prefix="waywarden-")))
    try:
        with servers:
            yield servers
    finally:
        servers.remove()


# --- what is installed --------------------------------------------------------------------------------------------


def missing(*packages: str) -> list[str]:
    """Which packages are not installed, of those named, or of all."""
    return [name for name in packages or PACKAGES if not PACKAGES[name]()]


def require(*packages: str) -> None:
    """Raises Missing, whose text says what to do."""
    if absent := missing(*packages):
        names = " ".join(absent)
        raise Missing(f"Not installed, and it takes root to install: {names}. Do: sudo apt-get install {names}")


def install(*packages: str) -> None:
    """Install what is missing of these, or of all, without apt starting it. Raises Missing when we are not root."""
    absent = missing(*packages)
    if not absent:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        require(*packages)
    print(f"Installing {', '.join(absent)} with apt-get …", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with services_kept_still():
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    require(*packages)


@contextmanager
def services_kept_still() -> Iterator[None]:
    """Debian starts a server as soon as it is installed, unless this file forbids it."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def postgres_programs() -> Path | None:
    """The folder of the newest version's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def nginx_program() -> Path:
    return Path(shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "/usr/sbin/nginx")


# --- files that another user must reach ---------------------------------------------------------------------------


def reachable(folder: Path) -> Path:
    """Where the servers' own users can read and write.

    That is ``folder``, unless we are root and it lies where only root may go, as below /root.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if os.geteuid() != 0:
        return folder
    folder.chmod(0o711)
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents):
        return folder
    temporary_folder = Path(tempfile.gettempdir())
    base = temporary_folder if folder.is_relative_to(temporary_folder) else Path("/var/lib")
    home = base / "waywarden" / sha256(str(folder).encode()).hexdigest()[:12]
    home.mkdir(parents=True, exist_ok=True)
    for each in (home, home.parent):
        each.chmod(0o711)
    return home


def owned(folder: Path, user: str | None) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return give(folder, user)


def give(path: Path, user: str | None) -> Path:
    if user:
        shutil.chown(path, user, user)
    return path


def private_file(path: Path, text: str, user: str | None, mode: int = 0o600) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
    give(path, user)


def filled(template: Path, values: dict[str, str]) -> str:
    """The template's text with each ``@name@`` replaced."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def plain_environment() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def run(
    command: list[str], user: str | None, environment: dict[str, str] | None = None, folder: Path = Path("/")
) -> str:
    """Run to the end as that user, in that folder. Raises CalledProcessError, whose output is printed."""
    done = subprocess.run(
        command,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        env=environment or plain_environment(),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    done.check_returncode()
    return done.stdout


def main(arguments: list[str]) -> int:
    """``install``. Without root it says what is needed; only CI, where the servers' tests must run, fails on it."""
    if arguments != ["install"]:
        print(__doc__)
        return 2
    try:
        install()
    except Missing as reason:
        print(reason)
        if os.environ.get("CI"):
            return 1
        print("Until then the tests that need servers are skipped.")
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
