"""What the messaging rows stand on: on each side a database, a vhost and processes of its own, on the same servers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from kombu import Exchange, Queue
from sqlalchemy import Column, create_engine, func, select, text

from deploy.broker_rights import ADMINISTRATOR, DELIVERY_LIMIT
from deploy.keys import make_keys
from deploy.migrations import migrate
from deploy.process import Process, wait_until
from deploy.servers import Servers
from deploy.stack import ROOT
from services.workorders import tables as workorders
from shared.envelope import seal
from shared.events import Event
from shared.events.queues import exchange_of
from shared.messaging import connect
from tests.bench import toy


class Bed:
    """One side. ``name``: ours, stock. Every queue of its vhost is a quorum queue, whoever declares it."""

    def __init__(self, servers: Servers, name: str, folder: Path) -> None:
        self.servers = servers
        self.name = name
        self.folder = folder
        if name not in servers.rabbitmq.ctl("list_vhosts").split():
            servers.rabbitmq.ctl("add_vhost", name, "--default-queue-type", "quorum")
            servers.rabbitmq.ctl("set_permissions", "-p", name, ADMINISTRATOR, ".*", ".*", ".*")
            servers.rabbitmq.set_policy(name, DELIVERY_LIMIT)
        self.amqp_url = servers.rabbitmq.url_of(name)
        self.engine = create_engine(servers.postgres.create_database(f"bench_{name}"))
        self.database_url = self.engine.url.render_as_string(hide_password=False)
        migrate(self.engine, "workorders", workorders.mapping.metadata)
        toy.metadata.create_all(self.engine)
        make_keys(folder / "data" / "keys")

    def empty(self, *tables: str) -> None:
        """Forget what an earlier round left, and settle the disk."""
        emptied = ", ".join(["inbox", "outbox", "tallies", "changes", *tables])
        with self.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {emptied} CASCADE"))
        self.servers.postgres.execute("CHECKPOINT")

    def fill(self, queue: str, events: Sequence[Event]) -> None:
        """Put these events, and nothing else, into a queue that is bound as its reader will bind it."""
        kind = events[0]
        exchange = Exchange(exchange_of(kind.service), type="topic", durable=True)
        with connect(self.amqp_url) as connection:
            channel = connection.channel()
            bound = Queue(queue, exchange, kind.event_type, durable=True)(channel)
            bound.declare()
            bound.purge()
            for event in events:
                message = channel.prepare_message(
                    seal(event, uuid4()), content_type="application/json", content_encoding="utf-8",
                    properties={"delivery_mode": 2},
                )  # fmt: skip
                channel.basic_publish(message, exchange.name, kind.event_type)
            arrived = lambda: bound.queue_declare(passive=True).message_count == len(events)  # noqa: E731
            wait_until(arrived, 60, lambda: f"{queue} does not fill")

    @contextmanager
    def running(self, *command: str, **extra: str) -> Iterator[Process]:
        """A process of this side, until the block ends."""
        process = Process(
            f"{self.name}-{command[1]}",
            [sys.executable, "-m", *command],
            log=self.folder / f"{self.name}-{command[1]}.log",
            ready=lambda: True,
            environment=os.environ | self.environment() | extra,
            folder=ROOT,
        )
        process.launch()
        try:
            yield process
        finally:
            process.stop()

    def environment(self) -> dict[str, str]:
        """What either side reads."""
        services = ("ASSETS", "INSPECTIONS", "WORKORDERS")
        return {
            "BENCH_AMQP_URL": self.amqp_url,
            "BENCH_DATABASE_URL": self.database_url,
            "WAYWARDEN_BROKER_URL": self.amqp_url,
            "WAYWARDEN_LOG_LEVEL": "warning",
            "WAYWARDEN_DATA": str(self.folder / "data"),
        } | {f"WAYWARDEN_DATABASE_URL_{name}": self.database_url for name in services}

    def pace(self, at: Column[object], count: int, process: Process) -> float:
        """Wait for so many rows with ``at`` set; rows a second between the first and the last tenth of them."""
        wait_until(lambda: self._rows(at) >= count or not process.running, 300, lambda: process.log_end())
        if not process.running:
            raise RuntimeError(process.log_end())
        early, late = (func.percentile_disc(part).within_group(at) for part in (0.1, 0.9))
        with self.engine.connect() as connection:
            seconds = float(connection.scalar(select(func.extract("epoch", late - early))) or 0)
        return 0.8 * count / max(seconds, 0.001)

    def _rows(self, at: Column[object]) -> int:
        time.sleep(0.1)
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count(at))) or 0
