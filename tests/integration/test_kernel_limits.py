"""Nobody waits for the database without a bound, and what waits does not stop the rest."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import eventlet
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from werkzeug.test import TestResponse

from deploy.readiness import Readiness
from deploy.servers import Servers
from shared import db
from shared.db import Database
from shared.envelope import seal
from shared.inbox import retries
from tests.integration.toy import World, confirmed, raised, things, until
from tests.paused import paused

NewWorld = Callable[..., World]


@pytest.fixture
def shape() -> str:
    return "production"


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world(retry_delays_s=(3600.0,)).start()


@pytest.fixture
def database(new_world: NewWorld) -> Database:
    return new_world().databases["assets"]


@contextmanager
def held(database: Database, thing: Any) -> Iterator[None]:
    """Somebody's session of their own, with no limits, keeps a row."""
    with database.engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.execute(select(things).where(things.c.id == thing).with_for_update())
        yield
        connection.rollback()


def a_thing(database: Database) -> Any:
    with database.begin() as session:
        return session.scalar(
            insert(things).values(id=uuid4(), category="x", size=0.0, revision=1).returning(things.c.id)
        )


def test_a_held_row_and_many_retries_stop_neither_other_requests_nor_readiness(world: World) -> None:
    thing = world.report()

    def grow() -> TestResponse:
        return world.call("POST", f"/things/{thing}/grow", {"by": 1.0}, role="crew")

    with held(world.databases["inspections"], thing):
        waiting = [eventlet.spawn(grow) for _ in range(24)]
        eventlet.sleep(0.2)
        with eventlet.Timeout(2):
            assert Readiness(world.databases).answer().status_code == 200
        answers = [each.wait() for each in waiting]
    assert {each.status_code for each in answers} == {503}
    assert {each.headers["Retry-After"] for each in answers} == {"1"}
    assert grow().status_code == 200


def test_a_session_that_sleeps_in_its_transaction_loses_its_locks(database: Database, servers: Servers) -> None:
    thing = a_thing(database)

    def sleep_within() -> None:
        with database.begin() as session:
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '300ms'"))
            session.execute(select(things).where(things.c.id == thing).with_for_update())
            with database.begin() as other:  # a paused replica's neighbour
                other.execute(select(things).where(things.c.id == thing).with_for_update())
            session.execute(select(things))

    with pytest.raises(DBAPIError) as lost:
        sleep_within()
    assert db.away(lost.value)


def test_limits_are_set_and_those_that_the_url_sets_come_first(database: Database, urls: dict[str, str]) -> None:
    def limit(of: Database, name: str) -> str:
        with of.read() as session:
            return str(session.scalar(text(f"SHOW {name}")))

    assert limit(database, "lock_timeout") == "3s"
    assert limit(database, "statement_timeout") == "30s"
    assert limit(database, "idle_in_transaction_session_timeout") == "15s"
    other = Database(urls["assets"] + "?options=-c%20lock_timeout%3D7s&connect_timeout=9", 2)
    assert limit(other, "lock_timeout") == "7s"
    assert limit(other, "statement_timeout") == "30s"
    other.close()
    patient = Database(urls["assets"], 2, patient=True)
    assert limit(patient, "statement_timeout") == "0"
    patient.close()


def test_a_statement_has_a_bound_that_a_job_may_raise(database: Database, urls: dict[str, str]) -> None:
    hasty = Database(urls["assets"] + "?options=-c%20statement_timeout%3D100ms", 2)
    with pytest.raises(DBAPIError) as late, hasty.read() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    assert db.failing(late.value)
    assert not db.busy(late.value)
    with hasty.begin(statement_s=60) as session:
        session.execute(text("SELECT pg_sleep(0.3)"))
    hasty.close()


def test_a_full_pool_is_503_and_soon(world: World) -> None:
    world.databases["inspections"].engine.dispose()
    taken = [world.databases["inspections"].engine.connect() for _ in range(8)]
    answer = world.call("GET", "/things", role="inspector")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    for each in taken:
        each.close()
    assert world.call("GET", "/things", role="inspector").status_code == 200


def test_a_server_that_takes_no_changes_is_lost_and_not_ready(world: World, servers: Servers) -> None:
    servers.postgres.execute("ALTER DATABASE toy_inspections SET default_transaction_read_only = on")
    try:
        with world.databases["inspections"].engine.connect() as connection:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
        servers.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'toy_inspections'"
        )
        until(lambda: Readiness(world.databases).answer().status_code == 503)
        body = {"id": str(uuid4()), "category": "lamp_out"}
        assert world.call("POST", "/things", body, role="inspector").status_code == 503
    finally:
        servers.postgres.execute("ALTER DATABASE toy_inspections RESET default_transaction_read_only")
    until(lambda: Readiness(world.databases).answer().status_code == 200)
    until(lambda: world.call("POST", "/things", body, role="inspector").status_code == 201)
    with world.databases["inspections"].engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid


def test_a_server_that_accepts_and_says_nothing_is_given_up(urls: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        database = Database(f"postgresql+psycopg2://a:b@127.0.0.1:{mute.getsockname()[1]}/c", 2)
        with pytest.raises(DBAPIError) as lost, eventlet.Timeout(20), database.read() as session:
            session.execute(text("SELECT 1"))
    assert db.away(lost.value)


def test_a_server_that_stands_still_is_given_up(
    database: Database, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "SLACK_S", 1)

    def ask(held: ExitStack) -> None:
        with database.begin(statement_s=1) as session:
            held.enter_context(paused(servers.postgres.pid))
            session.execute(text("SELECT 1"))

    with ExitStack() as held, pytest.raises(DBAPIError) as lost, eventlet.Timeout(20):
        ask(held)
    assert db.away(lost.value)
    database.check()


def test_who_looks_has_their_answer_although_the_server_ends_behind_it(database: Database, servers: Servers) -> None:
    with database.look() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        servers.postgres.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
    with pytest.raises(DBAPIError) as lost, database.look() as session:
        session.execute(text("SELECT 1"))
    assert db.away(lost.value)
    database.check()


def test_what_is_unique_is_known_by_its_code_in_any_language(database: Database) -> None:
    thing = a_thing(database)
    row = {"id": thing, "category": "x", "size": 0.0, "revision": 1}
    with pytest.raises(IntegrityError) as twice, database.begin() as session:
        session.execute(insert(things).values(row))
    assert db.duplicate(twice.value)
    with pytest.raises(IntegrityError) as empty, database.begin() as session:
        session.execute(insert(things).values(row | {"id": uuid4(), "category": None}))
    assert not db.duplicate(empty.value)
    lite = Database("sqlite://", 1)
    with lite.begin() as session:
        session.execute(text("CREATE TABLE unique_words (a TEXT NOT NULL, b INTEGER PRIMARY KEY, c TEXT UNIQUE)"))
        session.execute(text("INSERT INTO unique_words VALUES ('a', 1, 'c')"))
    for values, same in (("'a', 1, 'd'", True), ("'a', 2, 'c'", True), ("NULL, 3, 'e'", False)):
        with pytest.raises(IntegrityError) as broken, lite.begin() as session:
            session.execute(text(f"INSERT INTO unique_words VALUES ({values})"))
        assert db.duplicate(broken.value) is same
    lite.close()


# --- events meanwhile


def blocked(thing: Any) -> Callable[[Any], object]:
    return lambda session: session.execute(select(things).where(things.c.id == thing).with_for_update())


def test_events_that_wait_for_a_held_row_use_up_no_try_and_hold_up_no_others(world: World) -> None:
    thing = a_thing(world.databases["assets"])
    raised["held"] = blocked(thing)
    with held(world.databases["assets"], thing):
        world.publish(*(seal(confirmed(uuid4(), each), uuid4()) for each in ("held", "free", "held", "free")))
        until(lambda: world.sums("recorded") == {"free": 2}, 20)
        until(lambda: world.count(retries, "assets", retries.c.tries == 0) == 2)
        world.publish(seal(confirmed(uuid4(), "later"), uuid4()))
        until(lambda: world.sums("recorded") == {"free": 2, "later": 1})
    until(lambda: world.sums("recorded") == {"free": 2, "later": 1, "held": 2}, 30)
    assert world.count(retries) == 0


def test_an_event_over_which_the_database_is_lost_each_time_ends_parked(world: World) -> None:
    raised["fatal"] = lambda session: session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    world.publish(*(seal(confirmed(uuid4(), each), uuid4()) for each in ("fine", "fatal", "fine")))
    until(lambda: world.count(retries) == 1, 30)
    until(lambda: world.sums("recorded") == {"fine": 2})


def test_a_lost_connection_uses_up_no_try(world: World) -> None:
    cuts = iter([True, True, False])

    def cut(session: Any) -> None:
        if next(cuts, False):
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    raised["cut"] = cut
    world.publish(seal(confirmed(uuid4(), "cut"), uuid4()))
    until(lambda: world.sums("recorded") == {"cut": 1}, 20)
    assert world.count(retries) == 0
