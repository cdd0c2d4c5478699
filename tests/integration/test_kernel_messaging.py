"""Events: they leave with their transaction, have their effect once, and cost only themselves when a handler fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import eventlet
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, select

from deploy.servers import Servers
from shared import clock, inbox
from shared.envelope import seal
from shared.inbox import retries
from shared.messaging import PARK_AT, connect, declare
from shared.outbox import outbox
from shared.relay import UNROUTED
from tests.integration.toy import Assets, Inspections, World, batches, confirmed, faults, report, things, until

NewWorld = Callable[..., World]
QUEUE = "assets.record_defects"


def dead_letters(world: World) -> int:
    return world.count(retries, "assets", retries.c.next_at.is_(None))


def pending(world: World) -> int:
    return world.count(outbox, "inspections", outbox.c.published_at.is_(None))


def test_an_event_has_its_effect_in_its_reader(world: World) -> None:
    world.report()
    until(lambda: world.count(things) == 1)
    until(lambda: pending(world) == 0)


def test_no_event_leaves_a_transaction_that_is_rolled_back(world: World) -> None:
    refused = world.call("POST", "/things", {"id": str(uuid4()), "category": "refused"}, role="inspector")
    assert refused.status_code == 422
    world.report()
    until(lambda: world.count(things) == 1)
    assert world.count(outbox, "inspections") == 1
    assert world.sums("things", "inspections") == {"lamp_out": 1}


def test_an_event_that_comes_again_has_no_second_effect(world: World) -> None:
    event_id, finding_id = uuid4(), uuid4()
    body = seal(confirmed(finding_id, "lamp_out"), event_id)
    world.publish(body, body)
    world.publish(body, seal(confirmed(uuid4(), "last"), uuid4()))
    until(lambda: world.sums("recorded").get("last") == 1)
    assert world.sums("recorded") == {"lamp_out": 1, "last": 1}


def test_many_events_are_handled_in_few_transactions(new_world: NewWorld) -> None:
    world = new_world()
    with world.databases["inspections"].begin() as session:
        for _ in range(300):
            report(session, uuid4(), "lamp_out")
    world.start()
    until(lambda: world.count(things) == 300)
    assert max(len(batch) for batch in batches) > 20


def test_a_poison_event_among_good_ones_is_parked_alone(new_world: NewWorld) -> None:
    world = new_world(retry_delays_s=(60.0,))
    faults.add("poison")
    with world.databases["inspections"].begin() as session:
        for category in ("lamp_out", "poison", "pothole", "lamp_out"):
            report(session, uuid4(), category)
    world.start()
    until(lambda: world.count(things) == 3 and world.count(retries) == 1)
    assert world.sums("recorded") == {"lamp_out": 2, "pothole": 1}
    with world.databases["assets"].read() as session:
        parked = session.execute(select(retries)).one()
    assert parked.queue == "assets.record_defects"
    assert parked.tries == 1
    assert "cannot take ['poison']" in parked.error
    assert parked.next_at > clock.now() + timedelta(seconds=50)


def test_an_event_that_used_up_its_tries_is_a_dead_letter_until_it_is_replayed(world: World) -> None:
    faults.add("poison")
    world.report("poison")
    until(lambda: dead_letters(world) == 1)
    with world.databases["assets"].read() as session:
        dead = session.execute(select(retries)).one()
    assert dead.tries == 3  # the first and one after each delay
    faults.clear()
    with world.databases["assets"].begin() as session:
        assert inbox.replay(session, dead.queue, dead.event_id)
    until(lambda: world.count(retries) == 0)
    assert world.sums("recorded") == {"poison": 1}


def test_a_parked_event_is_handled_once_the_bug_is_gone(world: World) -> None:
    faults.add("poison")
    world.report("poison")
    until(lambda: world.count(retries) == 1)
    faults.clear()
    until(lambda: world.sums("recorded") == {"poison": 1})
    assert world.count(retries) == 0


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"null", b"\x00\x01", b'{"id": "\xff"}', b"[" * 5_000, b'{"specversion":"1.0","id":"x"}'],
    ids=["broken", "empty", "null", "NUL", "no UTF-8", "deep", "incomplete"],
)
def test_an_unreadable_message_becomes_a_dead_letter_at_once_and_holds_nobody_up(world: World, body: bytes) -> None:
    world.publish(body, seal(confirmed(uuid4(), "lamp_out"), uuid4()))
    until(lambda: world.count(things) == 1)
    until(lambda: dead_letters(world) == 1)


def highest() -> float | None:
    return REGISTRY.get_sample_value("waywarden_event_deliveries_highest", {"queue": QUEUE})


def test_a_message_that_comes_again_and_again_is_parked_before_the_broker_drops_it(
    new_world: NewWorld, shape: str
) -> None:
    """A handler that its process dies of leaves no trace but the broker's count, also where a stranger set one."""
    if shape == "embedded":
        pytest.skip("memory:// counts nothing: the outbox row waits for the inbox.")
    world = new_world()
    world.publish(seal(confirmed(uuid4(), "lamp_out"), uuid4()), headers={"x-delivery-count": 90_000})
    for _ in range(PARK_AT):
        die_with_a_message(world)
    world.start()
    until(lambda: world.sums("recorded") == {"lamp_out": 1})
    until(lambda: world.count(retries) == 0)
    assert batches == [["lamp_out"]]
    assert highest() == PARK_AT


def die_with_a_message(world: World) -> None:
    """Fetch one and let go of the connection without an ack."""
    got: list[Any] = []
    with connect(world.settings.broker_url) as connection:
        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        channel.basic_consume(QUEUE, callback=got.append)
        while not got:
            connection.drain_events(timeout=10)


@pytest.mark.parametrize("header", ["x-delivery-count", "x-acquired-count"])
def test_a_count_that_a_stranger_sets_alarms_nobody(world: World, header: str) -> None:
    world.publish(seal(confirmed(uuid4(), "lamp_out"), uuid4()), headers={header: 90_000})
    until(lambda: world.sums("recorded") == {"lamp_out": 1})
    assert world.count(retries) == 0
    assert highest() == 0


def test_headers_of_a_stranger_hold_nobody_up(world: World) -> None:
    faults.add("poison")
    world.publish(seal(confirmed(uuid4(), "poison"), uuid4()), headers={"request_id": "x" * 500})
    world.publish(seal(confirmed(uuid4(), "poison"), uuid4()), headers={"request_id": 7})
    until(lambda: dead_letters(world) == 2)


def test_the_request_id_goes_with_the_event(new_world: NewWorld) -> None:
    world = new_world(retry_delays_s=()).start()
    faults.add("poison")
    body = {"id": str(uuid4()), "category": "poison"}
    world.call("POST", "/things", body, role="inspector", X_Request_ID="call-17")
    until(lambda: dead_letters(world) == 1)
    with world.databases["assets"].read() as session:
        assert session.scalar(select(retries.c.request_id)) == "call-17"


def test_what_was_not_delivered_is_delivered_after_a_restart(new_world: NewWorld) -> None:
    world = new_world().start(Inspections)
    world.report()
    until(lambda: world.count(outbox, "inspections") == 1)
    world.stop()
    if world.settings.embedded:
        world.forget_messages()
    again = new_world().start()
    until(lambda: again.count(things) == 1)
    until(lambda: pending(again) == 0)


def test_an_embedded_event_stays_pending_until_every_reader_has_it(new_world: NewWorld, shape: str) -> None:
    if shape != "embedded":
        pytest.skip("RabbitMQ keeps what it confirmed.")
    world = new_world().start(Inspections)
    world.report()
    eventlet.sleep(0.3)  # time for the relay to do the wrong thing
    assert pending(world) == 1


def test_a_stop_finishes_the_batch_in_hand(new_world: NewWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world = new_world().start()
    began = eventlet.Event()
    original = inbox.claim

    def slow_claim(*args: Any) -> Any:
        claimed = original(*args)
        if not began.ready():
            began.send()
        return claimed

    monkeypatch.setattr(inbox, "claim", slow_claim)
    world.report()
    began.wait()
    world.stop()
    assert world.count(things) == 1


def test_two_replicas_share_the_work_and_nothing_is_doubled(new_world: NewWorld, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("Embedded there is one process.")
    first, second = new_world().start(), new_world().start()
    for _ in range(40):
        first.report()
        second.report()
    until(lambda: first.count(things) >= 80)
    until(lambda: pending(first) == 0)
    assert first.sums("recorded") == {"lamp_out": 80}
    assert first.count(retries) == 0


def test_two_that_claim_in_opposite_order_do_not_deadlock(new_world: NewWorld, shape: str) -> None:
    world, ids = new_world(), [uuid4() for _ in range(200)]
    taken: list[int] = []

    def claim(order: list[Any]) -> None:
        with world.databases["assets"].begin() as session:
            taken.append(len(inbox.claim(session, "assets.record_defects", order)))

    both = [eventlet.spawn(claim, order) for order in (ids, ids[::-1]) for _ in range(3)]
    for each in both:
        each.wait()
    assert sorted(taken) == [0, 0, 0, 0, 0, 200]


def test_events_that_find_no_queue_are_counted_kept_and_sent_once_it_is_back(world: World, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("memory:// has no queues to lose.")
    world.report("first")
    until(lambda: world.sums("recorded") == {"first": 1})
    before = UNROUTED.labels("inspections")._value.get()
    with connect(world.settings.broker_url) as connection:
        connection.channel().queue_delete("assets.record_defects")
    world.report("second")
    until(lambda: UNROUTED.labels("inspections")._value.get() > before or world.sums("recorded").get("second") == 1)
    until(lambda: world.sums("recorded") == {"first": 1, "second": 1})
    until(lambda: pending(world) == 0)


def test_the_relay_says_which_events_found_no_queue(world: World, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("memory:// has no queues to lose.")
    from shared.messaging import Publisher

    with world.databases["inspections"].begin() as session:
        report(session, uuid4(), "lamp_out")
    with world.databases["inspections"].read() as session:
        rows = session.execute(select(outbox)).all()
    world.stop()
    publisher = Publisher(world.settings.broker_url, "assets")
    with connect(world.settings.broker_url) as connection:
        channel = connection.channel()
        for queue in ("assets.record_defects",):
            channel.queue_delete(queue)
        assert publisher.publish(rows) == {str(row.event_id) for row in rows}
        declare(channel)
        assert publisher.publish(rows) == set()
    publisher.close()


def test_a_broker_that_is_away_at_the_start_and_later_delays_events_only(
    new_world: NewWorld, shape: str, request: pytest.FixtureRequest
) -> None:
    if shape == "embedded":
        pytest.skip("memory:// is never away.")
    servers: Servers = request.getfixturevalue("servers")
    world = new_world()
    servers.rabbitmq.stop()
    try:
        world.start()
        world.report("while away")
        assert pending(world) == 1
    finally:
        servers.rabbitmq.start()
    until(lambda: world.sums("recorded") == {"while away": 1})
    servers.rabbitmq.kill()
    world.report("killed")
    servers.rabbitmq.start()
    until(lambda: world.sums("recorded") == {"while away": 1, "killed": 1})
    until(lambda: pending(world) == 0)


def test_retention_removes_what_is_old_and_keeps_the_newest_position(world: World) -> None:
    from shared import changes
    from shared.relay import Relay

    world.report()
    until(lambda: world.count(things) == 1 and pending(world) == 0)
    until(lambda: latest(world) == 1)
    relays = {each.service_name: relay_of(each) for each in world.runner.containers}  # type: ignore[union-attr]
    with clock.frozen(datetime.now(UTC) + timedelta(days=91)):
        for relay in relays.values():
            assert isinstance(relay, Relay)
            relay._clean()
    assert world.count(outbox, "inspections") == 0
    assert world.count(inbox.inbox, "assets") == 0
    assert world.count(changes.changes, "inspections") == 1
    world.report()
    until(lambda: latest(world) == 2)


def relay_of(container: Any) -> Any:
    return next(each for each in container.dependencies if type(each).__name__ == "Relay")


def latest(world: World) -> int:
    from shared import changes

    with world.databases["inspections"].read() as session:
        return changes.latest(session)


def test_an_unpublished_event_is_never_too_old(new_world: NewWorld) -> None:
    world = new_world().start(Assets)
    with world.databases["inspections"].begin() as session:
        report(session, uuid4(), "lamp_out")
    world.stop()
    relay = relay_of_stopped(world)
    with clock.frozen(datetime.now(UTC) + timedelta(days=400)):
        relay._clean()
    assert world.count(outbox, "inspections") == 1


def relay_of_stopped(world: World) -> Any:
    from shared.relay import Relay

    relay = Relay()
    relay.settings, relay.database = world.settings, world.databases["inspections"]
    return relay


def test_events_leave_after_a_quiet_time_in_which_everything_was_cleaned_up(world: World) -> None:
    """SQLite gives the ids of an empty table out again."""
    for done in (2, 4, 6):
        world.report()
        world.report()
        all_handled(world, done)
        with clock.frozen(datetime.now(UTC) + timedelta(days=100)):
            for container in world.runner.containers:  # type: ignore[union-attr]
                relay_of(container)._clean()
        assert world.count(outbox, "inspections") == 0
        assert world.count(inbox.inbox) == 0


def all_handled(world: World, count: int) -> None:
    until(lambda: world.count(things) == count and pending(world) == 0)


def test_events_leave_after_the_database_was_set_back(world: World) -> None:
    for category in ("a", "b", "c"):
        world.report(category)
    until(lambda: world.count(things) == 3 and pending(world) == 0)
    with world.databases["inspections"].begin() as session:
        session.execute(delete(outbox))
    world.report("d")
    until(lambda: world.sums("recorded").get("d") == 1)
