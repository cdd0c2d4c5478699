"""The relay, its claims and the broker: no transaction is open meanwhile, and what stands still is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import eventlet
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, insert, select, text

from deploy.servers import Servers
from shared import changes, clock, inbox, loops, messaging, relay
from shared.errors import TooLarge
from shared.inbox import retries
from shared.outbox import LARGEST, claim, outbox, record, release, sendings
from tests.integration.test_kernel_messaging import pending
from tests.integration.toy import Inspections, World, confirmed, report, until
from tests.paused import paused

NewWorld = Callable[..., World]


@pytest.fixture
def shape() -> str:
    return "production"


def fill(world: World, count: int, category: str = "lamp_out") -> None:
    with world.databases["inspections"].begin() as session:
        for _ in range(count):
            report(session, uuid4(), category)


def taken(world: World, limit: int = 500) -> tuple[str, list[int]]:
    claim_id = str(uuid4())
    with world.databases["inspections"].begin() as session:
        return claim_id, [row.id for row in claim(session, claim_id, limit)]


def test_senders_never_take_the_same_events_and_one_that_died_is_followed_after_its_lease(new_world: NewWorld) -> None:
    world = new_world()
    fill(world, 30)
    (first, mine), (_, yours), (_, more) = taken(world, 10), taken(world, 10), taken(world, 100)
    assert [len(mine), len(yours), len(more)] == [10, 10, 10]
    assert len({*mine, *yours, *more}) == 30
    assert taken(world)[1] == []
    with world.databases["inspections"].begin() as session:
        release(session, (first, mine[:4]))
    second, left = taken(world)
    assert left == mine[4:]
    with world.databases["inspections"].begin() as session:
        session.execute(text("UPDATE sendings SET at = at - interval '1 minute'"))
    assert len(taken(world)[1]) == 26
    with world.databases["inspections"].begin() as session:
        release(session, (second, left))  # a paused sender comes back after its lease: it marks nothing
    assert pending(world) == 26


def test_a_claim_of_the_future_is_none(new_world: NewWorld) -> None:
    """The database's clock was set back."""
    world = new_world()
    fill(world, 3)
    taken(world)
    with world.databases["inspections"].begin() as session:
        session.execute(text("UPDATE sendings SET at = at + interval '1 year'"))
    assert len(taken(world)[1]) == 3


def test_a_sender_that_comes_back_after_the_database_was_set_back_marks_nothing_of_another(new_world: NewWorld) -> None:
    world = new_world()
    fill(world, 3)
    before, ids = taken(world)
    with world.databases["inspections"].begin() as session:
        session.execute(delete(sendings))
    with world.databases["inspections"].begin() as session:
        release(session, (before, ids))
    assert pending(world) == 3


def idle_in_transaction(servers: Servers) -> int:
    """Sessions of the toy's databases that hold a transaction open, for over half a second, and do nothing."""
    found = servers.postgres.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'toy_%%' AND state LIKE 'idle in%%' AND"
        " state_change < clock_timestamp() - interval '0.5 s' AND %s",
        True,
    )
    return int(str(found[0][0]))


@contextmanager
def alarm(servers: Servers) -> Iterator[None]:
    """The broker runs out of memory, as far as it knows."""
    servers.rabbitmq.ctl("set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        servers.rabbitmq.ctl("set_vm_memory_high_watermark", "0.6")


def blocked() -> float:
    return REGISTRY.get_sample_value("waywarden_broker_blocked", {"service": "inspections"}) or 0


def test_while_the_broker_takes_nothing_no_transaction_is_open_a_figure_says_so_and_all_comes_later(
    new_world: NewWorld, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messaging, "SEND_S", 2)
    world = new_world().start()
    world.report("before")
    until(lambda: world.sums("recorded") == {"before": 1})
    assert blocked() == 0
    with alarm(servers):
        fill(world, 20)
        until(lambda: blocked() == 1, 20)
        eventlet.sleep(4)  # beyond the deadline of a batch
        assert blocked() == 1
        assert idle_in_transaction(servers) == 0
        world.report("meanwhile")
        assert pending(world) == 21
    until(lambda: world.sums("recorded") == {"before": 1, "lamp_out": 20, "meanwhile": 1}, 40)
    until(lambda: pending(world) == 0 and blocked() == 0, 20)


def test_a_stop_ends_while_the_broker_takes_nothing(new_world: NewWorld, servers: Servers) -> None:
    world = new_world().start()
    world.report("before")
    until(lambda: world.sums("recorded") == {"before": 1})
    with alarm(servers):
        fill(world, 1_500)
        until(lambda: blocked() == 1, 20)
        began = time.monotonic()
        world.stop()
        assert time.monotonic() - began < 20
    again = new_world().start()
    until(lambda: again.sums("recorded").get("lamp_out") == 1_500, 60)


def test_a_stop_ends_while_the_broker_stands_still_and_nothing_is_lost(new_world: NewWorld, servers: Servers) -> None:
    world = new_world().start()
    world.report("before")
    until(lambda: world.sums("recorded") == {"before": 1})
    with paused(servers.rabbitmq.pid):
        fill(world, 700)
        until(lambda: world.count(sendings, "inspections") > 0, 20)
        assert idle_in_transaction(servers) == 0
        began = time.monotonic()
        world.stop()
        assert time.monotonic() - began < 25
    again = new_world().start()
    until(lambda: again.sums("recorded").get("lamp_out") == 700, 60)
    until(lambda: pending(again) == 0, 30)


def test_a_stop_ends_when_a_sender_does_not_and_so_does_another_one(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "STOP_S", 0.2)
    monkeypatch.setattr(messaging.Publisher, "publish", lambda *_: eventlet.sleep(60))
    world = new_world().start()
    fill(world, 1)
    until(lambda: world.count(sendings, "inspections") > 0, 20)
    assert world.runner
    began = time.monotonic()
    for _ in range(2):
        for container in world.runner.containers:
            for sender in container.extensions:
                if isinstance(sender, relay.Relay):
                    sender.stop()
    assert time.monotonic() - began < 10


def test_what_a_broker_confirmed_before_it_stood_still_is_marked(
    new_world: NewWorld, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_world()
    fill(world, 5)
    publisher = messaging.Publisher(world.settings.broker_url, "inspections")
    with world.databases["inspections"].read() as session:
        rows = session.execute(select(outbox).order_by(outbox.c.id)).all()
    publisher.publish(rows[:2])
    assert publisher.confirmed(rows[:2]) == [row.id for row in rows[:2]]
    monkeypatch.setattr(messaging, "SEND_S", 1)
    with paused(servers.rabbitmq.pid), pytest.raises(messaging.Unconfirmed):
        publisher.publish(rows)
    assert publisher.confirmed(rows) == []
    publisher.close()


def test_an_event_that_the_broker_refuses_is_a_dead_letter_and_the_others_leave(
    new_world: NewWorld, servers: Servers
) -> None:
    # Where versions keep it; channels that are opened later go by it.
    limit = "application:set_env(rabbit, max_message_size, {0}), persistent_term:put(max_message_size, {0})."
    world = new_world()
    servers.rabbitmq.ctl("eval", limit.format(5_000))
    try:
        fill(world, 2)
        with world.databases["inspections"].begin() as session:
            report(session, UUID(int=1), "large")
        with world.databases["inspections"].begin() as session:
            event = session.execute(select(outbox).order_by(outbox.c.id.desc()).limit(1)).one()
            padded = event.body[:-1] + " " * 6_000 + "}"
            session.execute(outbox.update().where(outbox.c.id == event.id).values(body=padded))
        fill(world, 2)
        world.start()
        until(lambda: world.sums("recorded") == {"lamp_out": 4}, 120)
        until(lambda: world.count(retries, "inspections", retries.c.next_at.is_(None)) == 1)
        until(lambda: pending(world) == 0)
    finally:
        servers.rabbitmq.ctl("eval", limit.format(100_000_000))
    with world.databases["inspections"].begin() as session:
        (dead,) = session.execute(select(retries)).all()
        assert dead.queue == inbox.UNSENT
        assert "larger than" in dead.error
        assert inbox.replay(session, dead.queue, dead.event_id)  # somebody let the broker take more
    until(lambda: world.sums("recorded") == {"lamp_out": 4, "large": 1}, 120)
    assert world.count(retries, "inspections") == 0


def test_an_event_too_large_for_any_broker_is_refused_with_its_command(new_world: NewWorld) -> None:
    world = new_world()
    with pytest.raises(TooLarge), world.databases["inspections"].begin() as session:
        record(session, confirmed(uuid4(), "x" * LARGEST))
    assert world.count(outbox, "inspections") == 0


def test_a_replica_that_is_paused_while_it_numbers_holds_nobody_up(new_world: NewWorld) -> None:
    world = new_world()
    fill(world, 1)
    database = world.databases["inspections"]
    with database.engine.connect() as paused:
        paused.execute(text("SELECT pg_advisory_xact_lock(1128808782)"))
        with database.begin() as session, eventlet.Timeout(2):
            assert not changes.number(session)
    with database.begin() as session:
        assert changes.number(session)


@pytest.mark.parametrize("shape", ["embedded", "production"])
def test_the_clean_up_takes_many_rows_in_parts_and_only_the_old(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "CLEAN_AT_ONCE", 10)
    world = new_world().start(Inspections)
    world.stop()
    database, now, old = world.databases["inspections"], clock.now(), datetime.now(UTC) - timedelta(days=91)
    row = {"event_type": "x", "body": "{}", "event_id": uuid4()}
    with database.begin() as session:
        for at, published in [(old, old)] * 45 + [(old, None)] + [(old, now)] + [(now, now)] * 15 + [(now, None)] * 3:
            session.execute(insert(outbox).values(**row, recorded_at=at, published_at=published))
        for nth in range(60):
            at = old if nth < 55 else now
            session.execute(insert(changes.changes).values(kind="thing", key="a", at=at))
            session.execute(insert(inbox.inbox).values(queue="q", event_id=uuid4(), handled_at=at))
        changes.number(session)
    commits: list[Any] = []
    database.listeners.append(commits.append)
    cleaning = relay.Relay()
    cleaning.settings, cleaning.database = world.settings, database
    cleaning._clean()
    assert world.count(outbox, "inspections") == 20
    assert world.count(changes.changes, "inspections") == 5
    assert world.count(inbox.inbox, "inspections") == 5
    assert len(commits) > 15


def test_relays_that_are_killed_between_sending_and_marking_lose_and_double_nothing(new_world: NewWorld) -> None:
    """What a killed one leaves is a claim that nobody renews, and events that the broker has."""
    world = new_world()
    fill(world, 40)
    _, ids = taken(world, 20)
    publisher = messaging.Publisher(world.settings.broker_url, "inspections")
    with world.databases["inspections"].begin() as session:
        publisher.publish(session.execute(select(outbox).where(outbox.c.id.in_(ids))).all())
        session.execute(text("UPDATE sendings SET at = at - interval '13 s'"))
    publisher.close()
    world.start()
    until(lambda: pending(world) == 0, 20)
    until(lambda: world.sums("recorded") == {"lamp_out": 40})
