"""Two small services on the whole kernel, run in the test's own process: one reports things, the other counts them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import eventlet
from kombu.transport import memory
from nameko.runners import ServiceRunner
from sqlalchemy import Column, Connection, Float, Integer, String, Table, Uuid, delete, func, insert, select, update
from sqlalchemy.orm import Session
from werkzeug.test import Client, TestResponse

from deploy import settings
from deploy.keys import make_keys
from deploy.process import free_port
from deploy.site import Site
from shared import changes, clock, db, errors, fields, outbox, tallies
from shared.auth import PUBLIC, STAFF, Keys, User
from shared.events.inspections import FindingConfirmed
from shared.events.queues import QUEUES
from shared.messaging import connect, declare, on
from shared.paging import Page, page
from shared.service import Service, Serving
from shared.settings import Settings
from shared.web import Call, event_stream, http

metadata = db.new_mapping().metadata
things = Table(
    "things",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("category", String(60), nullable=False),
    Column("size", Float, nullable=False, default=0.0),
    Column("revision", Integer, nullable=False, default=1),
    Column("code", String(100), unique=True),
)

faults: set[str] = set()  # categories that the handler cannot take
raised: dict[str, Callable[[Session], object]] = {}  # by category, how the handler fails
slowly: Counter[int] = Counter()  # requests for something slow, by how many items they ask for
batches: list[list[str]] = []  # the categories of each batch that the handler saw


class BrokenHandler(Exception):
    """A bug, as far as the kernel can tell."""


class Report(fields.Strict):
    id = fields.UUID(required=True)
    category = fields.String(required=True, longest=60)
    size = fields.Float(load_default=0.0)


class Registration(fields.Strict):
    code = fields.Code(required=True)
    category = fields.String(required=True)


class Growth(fields.Strict):
    by = fields.Float(required=True)


class Thing(fields.Strict):
    id = fields.UUID()
    category = fields.String()
    size = fields.Float()
    revision = fields.Integer()


def confirmed(finding_id: UUID, category: str) -> FindingConfirmed:
    now = clock.now()
    return FindingConfirmed(
        revision=1, happened_at=now, recorded_at=now, finding_id=finding_id, state="confirmed", category=category,
        severity="normal", source="patrol", longitude=24.9, latitude=60.2, reported_at=now,
    )  # fmt: skip


def report(session: Session, finding_id: UUID, category: str, size: float = 0.0) -> dict[str, Any]:
    """The toy's use case: a row, an event, a change and a sum, all or none."""
    row = {"id": finding_id, "category": category, "size": size, "revision": 1}
    session.execute(insert(things).values(row))
    outbox.record(session, confirmed(finding_id, category))
    changes.add(session, kind="thing", key=str(finding_id))
    tallies.add(session, "things", (category,))
    return row


class Inspections(Service):
    name = "inspections"
    metadata = metadata

    @http("POST", "/things", roles=("inspector",), summary="Report", body=Report, answer=Thing, status=201)
    def report(self, call: Call) -> dict[str, Any]:
        made = report(call.session, call.body["id"], call.body["category"], call.body["size"])
        if call.body["category"] == "refused":
            raise errors.Invalid("No such thing.", field="category")
        return made

    @http("POST", "/coded", roles=("inspector",), summary="Register", body=Registration, natural_key="code", status=201)
    def register(self, call: Call) -> None:
        call.session.execute(insert(things).values(id=uuid4(), size=0.0, revision=1, **call.body))

    @http("GET", "/coded/<code>", roles=STAFF, summary="Show by code", answer=Thing)
    def show_coded(self, call: Call, code: str) -> Any:
        if found := call.session.execute(select(things).where(things.c.code == code)).first():
            return found
        raise errors.NotFound(f"There is no {code}.")

    @http("GET", "/things", roles=STAFF, summary="List", query=fields.PageQuery, answer=Thing, paged=True)
    def list_things(self, call: Call) -> Page:
        return page(call.session, select(things), [things.c.category, things.c.id], **call.query)

    @http("GET", "/things/<uuid:thing_id>", roles=STAFF, summary="Show", answer=Thing)
    def show(self, call: Call, thing_id: UUID) -> Any:
        return found(call.session, thing_id)

    @http("POST", "/things/<uuid:thing_id>/grow", roles=("crew",), summary="Grow", body=Growth, answer=Thing)
    def grow(self, call: Call, thing_id: UUID) -> Any:
        thing = found(call.session, thing_id, for_update=True)
        errors.expect(thing.revision, call.expected)
        grown = {"size": thing.size + call.body["by"], "revision": thing.revision + 1}
        call.session.execute(update(things).where(things.c.id == thing_id).values(grown))
        return found(call.session, thing_id)

    @http("GET", "/open", roles=PUBLIC, summary="For everybody")
    def open(self, call: Call) -> dict[str, str]:
        return {"role": call.user.role}

    @http("GET", "/crash", roles=PUBLIC, summary="A bug")
    def crash(self, call: Call) -> None:
        raise RuntimeError("secret detail")

    @http("GET", "/stream", roles=("inspector",), summary="Live", media="text/event-stream", transaction=False)
    def stream(self, call: Call) -> Any:
        return event_stream(call, ticks(self.site))

    @http("GET", "/slow", roles=PUBLIC, summary="Takes a while", query=fields.PageQuery)
    def slow(self, call: Call) -> dict[str, int]:
        """How many that ask for as many items are in at once."""
        limit = call.query["limit"]
        slowly[limit] += 1
        at_once = slowly[limit]
        eventlet.sleep(0.5)
        slowly[limit] -= 1
        return {"at_once": at_once}


def found(session: Session, thing_id: UUID, *, for_update: bool = False) -> Any:
    query = select(things).where(things.c.id == thing_id)
    thing = session.execute(query.with_for_update() if for_update else query).first()
    if thing is None:
        raise errors.NotFound(f"There is no thing {thing_id}.")
    return thing


def ticks(site: Serving) -> Iterator[bytes]:
    while not site.closing:
        yield b"data: tick\n\n"
        eventlet.sleep(0.02)


class Assets(Service):
    name = "assets"
    metadata = metadata

    @on("assets.record_defects")
    def record_defects(self, session: Session, events: Sequence[FindingConfirmed]) -> None:
        batches.append([each.category for each in events])
        # The effect would be doubled, not refused, if an event came twice.
        rows = [{"id": uuid4(), "category": each.category, "code": None, "size": 0.0, "revision": 1} for each in events]
        session.execute(insert(things), rows)
        for each in events:
            tallies.add(session, "recorded", (each.category,))
        for each in events:
            if fail := raised.get(each.category):
                fail(session)
        if broken := faults & {each.category for each in events}:
            raise BrokenHandler(f"cannot take {sorted(broken)}")


SERVICES: tuple[type[Service], ...] = (Inspections, Assets)


class World:
    """The toy services with their databases, broker and site. ``first`` begins with empty tables and queues."""

    def __init__(self, folder: Path, urls: dict[str, str], broker_url: str, *, first: bool = True, **more: Any) -> None:
        make_keys(folder / "keys")
        self.keys = Keys(folder / "keys")
        self.settings = replace(plain_settings(folder, urls, broker_url), **more)
        self.databases = {name: db.Database(urls[name], 8) for name in ("inspections", "assets")}
        self.site = Site()
        self.client = Client(self.site)
        self.runner: ServiceRunner | None = None
        if first:
            faults.clear()
            raised.clear()
            batches.clear()
            self._make_tables()
            self.forget_messages()

    def _make_tables(self) -> None:
        for database in self.databases.values():
            with database.engine.execution_options(writes=True).begin() as connection:
                make_tables(connection)

    def forget_messages(self) -> None:
        """As when the process with ``memory://`` ends; RabbitMQ's queues are emptied, which tests share."""
        if self.settings.embedded:
            memory.Channel.queues.clear()
            memory.Transport.global_state.clear()
            return
        with connect(self.settings.broker_url) as connection:
            channel = connection.channel()
            declare(channel)
            for queue in QUEUES:
                channel.queue_purge(queue)

    def start(self, *services: type[Service]) -> Self:
        config = {"settings": self.settings, "databases": self.databases, "site": self.site, "keys": self.keys}
        self.runner = ServiceRunner(config={**config, "max_workers": self.settings.workers})
        for service in services or SERVICES:
            self.runner.add_service(service)
        self.runner.start()
        return self

    def stop(self) -> None:
        """Gracefully, as at SIGTERM."""
        self.site.close()
        if self.runner:
            self.runner.stop()
            self.runner = None

    def close(self) -> None:
        self.stop()
        for database in self.databases.values():
            database.close()

    def serve(self) -> int:
        """Listen on a port of its own, for what the test client cannot show."""
        port = free_port()
        self.site.open(eventlet.listen(("127.0.0.1", port), reuse_port=False))
        return port

    def token(self, role: str) -> str:
        return self.keys.sign(User(f"a-{role}", role))

    def call(self, method: str, path: str, body: Any = None, *, role: str = "", **headers: str) -> TestResponse:
        """One request under /api/v1; header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if role:
            sent["Authorization"] = f"Bearer {self.token(role)}"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.client.open(f"/api/v1{path}", method=method, data=data, headers=sent)

    def report(self, category: str = "lamp_out", **more: Any) -> UUID:
        """Report a thing over HTTP; its id."""
        finding_id = uuid4()
        answer = self.call("POST", "/things", {"id": str(finding_id), "category": category, **more}, role="inspector")
        assert answer.status_code == 201, answer.text
        return finding_id

    def publish(self, *bodies: bytes, headers: dict[str, Any] | None = None) -> None:
        """Put messages on the exchange past the outbox, as a stranger could."""
        with connect(self.settings.broker_url) as connection:
            channel = connection.channel()
            declare(channel)
            # The broker may forget what nobody waits for, when the connection closes at once.
            publish = channel.basic_publish if self.settings.embedded else channel.basic_publish_confirm
            for body in bodies:
                message = channel.prepare_message(
                    body, content_type="application/json", content_encoding="utf-8", headers=headers or {}
                )
                publish(message, "inspections.events", FindingConfirmed.event_type)

    def count(self, table: Table, service: str = "assets", *where: Any) -> int:
        with self.databases[service].read() as session:
            return session.scalar(select(func.count()).select_from(table).where(*where)) or 0

    def sums(self, figure: str, service: str = "assets") -> dict[str, int]:
        with self.databases[service].read() as session:
            return {labels[0]: amount for labels, amount in tallies.read(session, figure).items()}


def make_tables(connection: Connection) -> None:
    """The kernel's and the toy's, empty; that migrations make the same ones is another test."""
    db.kernel.create_all(connection)
    metadata.create_all(connection)
    for table in [*db.kernel.sorted_tables, *metadata.sorted_tables]:
        connection.execute(delete(table))


def plain_settings(folder: Path, urls: dict[str, str], broker_url: str) -> Settings:
    return replace(
        settings.load(),
        services=("inspections", "assets"),
        data=folder,
        broker_url=broker_url,
        database_urls=urls,
        workers=8,
        body_limit_bytes=10_000,
        retry_delays_s=(0.05, 0.1),
    )


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition. Raises TimeoutError when it does not come true."""
    with eventlet.Timeout(seconds, TimeoutError(f"not true within {seconds} s")):
        while not condition():
            eventlet.sleep(0.02)
