"""Whatever a stranger publishes, and however a handler fails: the next good event is handled, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from struct import pack
from typing import Any
from uuid import uuid4

import eventlet
import pytest
from amqp import spec
from sqlalchemy import insert, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from shared import clock
from shared.envelope import seal
from shared.events import Event
from shared.events.alerts import AlertRaised
from shared.events.inspections import FindingConfirmed
from shared.inbox import inbox, retries
from shared.messaging import connect, declare
from shared.outbox import outbox
from tests.integration.toy import World, confirmed, faults, raised, report, things, until

NewWorld = Callable[..., World]
QUEUE = "assets.record_defects"
KEY = FindingConfirmed.event_type


def sealed(category: str = "lamp_out") -> bytes:
    return seal(confirmed(uuid4(), category), uuid4())


def changed(**changes: Any) -> bytes:
    """An event with other things in its data."""
    envelope = json.loads(sealed("changed"))
    envelope["data"] |= changes
    return json.dumps(envelope).encode()


def wrapped(**changes: Any) -> bytes:
    return json.dumps(json.loads(sealed("wrapped")) | changes).encode()


def nested(depth: int) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for _ in range(depth):
        table = {"in": table}
    return table


BODIES: list[bytes] = [
    b"", b"\0", b"null", b"[]", b"{}", b"{", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 100_000, b"7" * 100_000,
    b'{"specversion":"1.0"}', sealed()[:-9], sealed() + b"}", changed(longitude=1e308) .replace(b"1e+308", b"1e400"),
    changed(revision=2**70), changed(revision=-1.5), changed(category="\0"), changed(category="x" * 61),
    changed(category="\ud800"), changed(happened_at="99999-01-01T00:00:00Z"), changed(happened_at="2026-01-01T00:00"),
    changed(finding_id="7"), changed(finding_id=None), wrapped(id="7"), wrapped(id=None), wrapped(time="yesterday"),
    wrapped(data=nested(400)), wrapped(specversion="2.0", data=None), wrapped(data=[]), b"x" * 3_000_000,
]  # fmt: skip
HEADERS: list[dict[str, Any]] = [
    {"request_id": "a\0b"}, {"request_id": "\ud800"}, {"request_id": 7}, {"request_id": None}, {"request_id": True},
    {"request_id": {"a": [1, {"b": None}]}}, {"request_id": [1, 2]}, {"request_id": "x" * 100_000}, {"request_id": 1.5},
    {"other": nested(60)}, {"": ""}, {"x-death": "never"},
]  # fmt: skip
RABBIT_HEADERS: list[dict[str, Any]] = [
    {"request_id": b"\xff\xfe"}, {"request_id": Decimal("1.5")}, {"request_id": datetime(1999, 1, 1)}, {"a": 2**62},
]  # fmt: skip
PROPERTIES: list[dict[str, Any]] = [
    {"content_type": "text/plain"}, {"content_encoding": "idna"}, {"content_encoding": "zlib"}, {"message_id": "\0"},
    {"priority": 9}, {"expiration": "1000000"}, {"type": "x" * 255}, {"correlation_id": "\ud800"},
]  # fmt: skip


def table(item: bytes) -> bytes:
    """Properties with nothing but a header ``a`` of these bytes: type and value."""
    entry = b"\x01a" + item
    return pack(">HI", 0x2000, len(entry)) + entry


UNREADABLE = [
    pack(">HB", 0x8000, 2) + b"\xff\xfe",  # a content type that is no text
    table(b"T" + pack(">Q", 2**62)),
    table(b"T" + pack(">Q", 2_000_000_000_000)),  # in milliseconds
    table(b"S" + pack(">I", 2) + b"\xff\xfe"),
    table(b"D" + pack(">Bi", 255, 1)),
    pack(">HQ", 0x0040, 2**63),
]


def publish_raw(world: World, properties: bytes, body: bytes) -> None:
    """With properties as no client of ours would write them."""
    with connect(world.settings.broker_url) as connection:
        channel = connection.channel()
        message = channel.prepare_message(body)
        message._serialize_properties = lambda: properties
        channel.confirm_select()
        args = (0, "inspections.events", KEY, False, False)
        channel.send_method(spec.Basic.Publish, "Bssbb", args, message)
        channel.wait([spec.Basic.Ack, spec.Basic.Nack])


def publish_under(world: World, key: str | bytes, body: bytes) -> None:
    """With a routing key for which the stranger made a binding."""
    with connect(world.settings.broker_url) as connection:
        channel = connection.channel()
        declare(channel)
        channel.queue_bind(QUEUE, "inspections.events", "#")
        try:
            channel.confirm_select()
            message = channel.prepare_message(body)
            channel.send_method(spec.Basic.Publish, "Bssbb", (0, "inspections.events", key, False, False), message)
            channel.wait([spec.Basic.Ack, spec.Basic.Nack])
        finally:
            channel.queue_unbind(QUEUE, "inspections.events", "#")


def good_one_is_handled(world: World) -> None:
    mark = uuid4().hex
    world.publish(sealed(mark))
    until(lambda: world.count(things, "assets", things.c.category == mark) == 1, 30)


def settled(world: World) -> int:
    """Events that had their effect, and those put aside."""
    return world.count(things) + world.count(retries)


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world(retry_delays_s=(3600.0,)).start()


def test_no_body_of_a_stranger_holds_up_the_next_event(world: World) -> None:
    world.publish(*BODIES)
    good_one_is_handled(world)
    until(lambda: settled(world) >= len(BODIES))  # the good one included; some of these are the same to us
    assert world.count(inbox) == settled(world)


def test_no_header_of_a_stranger_holds_up_the_next_event(world: World, shape: str) -> None:
    faults.add("poison")
    for headers in HEADERS if shape == "embedded" else [*HEADERS, *RABBIT_HEADERS]:
        world.publish(sealed("poison"), sealed(), b"unreadable" + str(headers).encode(), headers=headers)
    good_one_is_handled(world)
    rounds = len(HEADERS) if shape == "embedded" else len(HEADERS) + len(RABBIT_HEADERS)
    until(lambda: settled(world) == 3 * rounds + 1)


def test_no_property_of_a_stranger_holds_up_the_next_event(world: World, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("memory:// is reached by nobody else.")
    faults.add("poison")
    for properties in UNREADABLE:
        publish_raw(world, properties, sealed("poison"))
        publish_raw(world, properties, sealed())
    good_one_is_handled(world)
    until(lambda: settled(world) == 2 * len(UNREADABLE) + 1)


def test_no_routing_key_of_a_stranger_holds_up_the_next_event(world: World, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("memory:// is reached by nobody else.")
    keys: list[str | bytes] = ["", "x" * 255, b"\xff\xfe", b"\xff" * 255, "a\0b", "\ud800", QUEUE, "assets.unknown.v9"]
    for key in keys:
        publish_under(world, key, sealed())
    good_one_is_handled(world)
    until(lambda: settled(world) == len(keys) + 1)
    assert world.count(retries) == len(keys)


def test_no_mixture_of_all_that_holds_up_the_next_event(world: World) -> None:
    chance = Random(20261130)
    for _ in range(40):
        body = bytearray(sealed("mixed"))
        for _ in range(chance.randint(0, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        world.publish(bytes(body), headers=chance.choice(HEADERS))
    good_one_is_handled(world)
    until(lambda: settled(world) == 41)


def integrity_at_commit(session: Session) -> None:
    for _ in range(2):
        session.execute(insert(things).values(id=uuid4(), category="x", size=0.0, revision=1, code="the same"))


def give(error: BaseException) -> Callable[[Session], None]:
    def fail(_: Session) -> None:
        raise error

    return fail


def recurse(session: Session) -> None:
    recurse(session)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


FAILURES: dict[str, Callable[[Session], object]] = {
    "timeout": give(eventlet.Timeout(None)), "memory": give(MemoryError()), "recursion": recurse,
    "exit": give(SystemExit(1)), "greenlet": give(eventlet.greenlet.GreenletExit()), "key": give(KeyboardInterrupt()),
    "nul": give(ValueError("a\0b \ud800" + "x" * 10_000)), "unspeakable": give(Unspeakable()),
    "data": lambda session: session.execute(text("SELECT * FROM no_such_table")),
    "integrity": integrity_at_commit, "statement": give(StatementError("no", None, None, ValueError("no"))),
    "stored nul": lambda session: session.execute(insert(things).values(id=uuid4(), category="\0", code=object())),
    "stop": give(StopIteration()), "assertion": give(AssertionError()), "os": give(OSError(28, "No space left")),
}  # fmt: skip


def test_however_a_handler_fails_only_its_own_event_is_put_aside(world: World) -> None:
    raised.update(FAILURES)
    with world.databases["inspections"].begin() as session:
        for category in FAILURES:
            report(session, uuid4(), category)
            report(session, uuid4(), "lamp_out")
    until(lambda: world.count(retries) == len(FAILURES), 30)
    until(lambda: world.sums("recorded") == {"lamp_out": len(FAILURES)})
    until(lambda: world.count(outbox, "inspections", outbox.c.published_at.is_(None)) == 0)
    with world.databases["assets"].read() as session:
        assert set(session.scalars(select(retries.c.tries))) == {1}


# --- what a newer version sends


def parked(world: World) -> Iterator[Any]:
    with world.databases["assets"].read() as session:
        yield from session.execute(select(retries)).all()


def test_an_event_that_only_a_newer_version_can_read_waits_for_it(world: World) -> None:
    """During a rolling upgrade the old replica may get it first."""
    event_id = uuid4()
    body = json.loads(seal(confirmed(uuid4(), "lamp_out"), event_id))
    del body["data"]["category"], body["source"]
    world.publish(json.dumps(body | {"specversion": "2.0"}).encode())
    until(lambda: world.count(retries) == 1)
    (waiting,) = parked(world)
    assert waiting.next_at is not None
    assert waiting.event_id == event_id


def test_an_event_type_that_a_queue_does_not_know_is_tried_again_and_dead_only_after_its_tries(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_world(retry_delays_s=(0.5, 0.5)).start()
    monkeypatch.delitem(Event.known, KEY)
    from shared import envelope

    envelope._decoder.cache_clear()
    world.publish(sealed())
    until(lambda: world.count(retries, "assets", retries.c.next_at.is_not(None)) == 1)
    until(lambda: world.count(retries, "assets", retries.c.next_at.is_(None)) == 1)
    (dead,) = parked(world)
    assert dead.tries == 3


def test_a_parked_event_of_a_newer_type_has_its_effect_once_the_new_version_runs(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared import envelope

    world = new_world(retry_delays_s=(0.5,) * 20).start()
    body = sealed("new")
    with monkeypatch.context() as old:
        old.delitem(Event.known, KEY)
        envelope._decoder.cache_clear()
        world.publish(body)
        until(lambda: world.count(retries) == 1)
    until(lambda: world.sums("recorded") == {"new": 1})
    world.publish(body, sealed("last"))  # sent again
    until(lambda: world.sums("recorded").get("last") == 1)
    assert world.sums("recorded") == {"new": 1, "last": 1}


def test_an_event_of_another_queue_is_not_given_to_the_handler(world: World, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("memory:// is reached by nobody else.")
    publish_under(world, AlertRaised.event_type, b"{}")
    publish_under(world, "workorders.order_closed.v1", sealed())
    good_one_is_handled(world)
    assert world.count(retries) == 2


# --- parked events


def test_two_replicas_use_up_one_try_of_an_event_at_a_time(new_world: NewWorld, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("Embedded there is one process.")
    delays = (0.05,) * 10
    first, second = new_world(retry_delays_s=delays), new_world(retry_delays_s=delays)
    tries: list[str] = []

    def fail(_: Session) -> None:
        tries.append("poison")
        eventlet.sleep(0.1)
        raise ZeroDivisionError

    raised["poison"] = fail
    first.start(), second.start()
    first.publish(sealed("poison"))
    until(lambda: first.count(retries, "assets", retries.c.next_at.is_(None)) == 1, 30)
    assert len(tries) == 12  # in its batch, alone, and after each delay


def test_an_event_that_was_parked_by_a_clock_gone_wrong_is_tried_once_it_is_right(world: World) -> None:
    faults.add("poison")
    with clock.frozen(datetime(2030, 1, 1, tzinfo=UTC)):
        world.publish(sealed("poison"))
        until(lambda: world.count(retries) == 1)
    faults.clear()
    until(lambda: world.sums("recorded") == {"poison": 1})
