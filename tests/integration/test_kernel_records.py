"""What services keep: changes that no reader skips, sums that stay exact, rows that go in once. On both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from uuid import uuid4

import eventlet
import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from shared import changes, clock, tallies
from shared.db import Database, _insert_late, insert_new
from shared.inbox import inbox
from tests.integration.toy import World, things

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.fixture
def database(new_world: Callable[..., World]) -> Database:
    """One service's database; nothing runs on it."""
    return new_world().databases["inspections"]


def read_on(database: Database, position: int) -> tuple[int, list[str]]:
    """What a reader with this cursor gets, and its next cursor."""
    with database.read() as session:
        found = changes.since(session, position, kinds=["thing"])
    return (found[-1].position if found else position), [each.key for each in found]


def number(database: Database) -> None:
    with database.begin() as session:
        changes.number(session)


def test_a_change_that_commits_late_is_not_skipped(database: Database, shape: str) -> None:
    if shape == "embedded":
        pytest.skip("SQLite has one writer at a time.")
    with database._write() as early, database._write() as late:
        changes.add(early, kind="thing", key="began first")
        _insert_late(early)  # its row, and so its number, comes first; its commit comes last
        changes.add(late, kind="thing", key="began second")
        late.commit()
        number(database)
        position, seen = read_on(database, 0)
        assert seen == ["began second"]
        early.commit()
    number(database)
    assert read_on(database, position)[1] == ["began first"]


def test_readers_see_every_change_once_whatever_commits_when(database: Database) -> None:
    random, seen, cursor = Random(7), [], 0

    def write(writer: int) -> None:
        for nth in range(15):
            with database.begin() as session:
                changes.add(session, kind="thing", key=f"{writer}-{nth}")
                if database.engine.dialect.name == "postgresql":
                    _insert_late(session)
                    eventlet.sleep(random.random() / 50)

    writers = [eventlet.spawn(write, writer) for writer in range(5)]
    while not all(writer.dead for writer in writers):
        number(database)
        cursor, found = read_on(database, cursor)
        seen += found
        eventlet.sleep(0.003)
    number(database)
    seen += read_on(database, cursor)[1]
    assert len(seen) == len(set(seen)) == 75
    for writer in range(5):  # what one did after another stays in that order
        assert [each for each in seen if each.startswith(f"{writer}-")] == [f"{writer}-{nth}" for nth in range(15)]


def test_numbering_by_several_relays_gives_no_position_twice(database: Database) -> None:
    for nth in range(40):
        with database.begin() as session:
            changes.add(session, kind="thing", key=str(nth))
    for each in [eventlet.spawn(number, database) for _ in range(6)]:
        each.wait()
    with database.read() as session:
        assert [each.position for each in changes.since(session, 0, kinds=["thing"])] == list(range(1, 41))
        assert changes.latest(session) == 40
        assert not changes.unnumbered(session)


def test_a_reader_gets_only_the_kinds_and_as_many_as_it_asked_for(database: Database) -> None:
    with database.begin() as session:
        for kind in ("thing", "other", "thing", "thing"):
            changes.add(session, kind=kind, key=kind)
    number(database)
    with database.read() as session:
        assert [each.position for each in changes.since(session, 0, kinds=["thing"], limit=2)] == [1, 3]
        assert [each.key for each in changes.since(session, 1, kinds=["thing", "other"])] == ["other", "thing", "thing"]


def test_sums_are_exact_while_writers_write_and_others_fold(database: Database) -> None:
    random = Random(11)
    expected: Counter[tuple[str, ...]] = Counter()

    def write() -> None:
        for _ in range(30):
            labels, amount = (random.choice("abc"), random.choice("xy")), random.randint(-3, 9)
            with database.begin() as session:
                tallies.add(session, "figure", labels, amount)
                expected[labels] += amount
            eventlet.sleep(0)

    def fold() -> None:
        for _ in range(10):
            with database.begin() as session:
                tallies.fold(session)
            eventlet.sleep(0.005)

    for each in [eventlet.spawn(job) for job in (write, write, write, fold, fold)]:
        each.wait()
    with database.read() as session:
        assert tallies.read(session, "figure") == {labels: amount for labels, amount in expected.items() if amount}
    with database.begin() as session:
        tallies.fold(session)
    with database.read() as session:
        assert tallies.rows(session) <= len(expected)
        assert tallies.read(session, "figure") == {labels: amount for labels, amount in expected.items() if amount}


def test_a_sum_of_a_transaction_that_failed_is_not_kept(database: Database) -> None:
    def fail() -> None:
        with database.begin() as session:
            tallies.add(session, "figure", ("a",), 1)
            changes.add(session, kind="thing", key="a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert tallies.rows(session) == 0
        assert not changes.unnumbered(session)


def test_a_recount_replaces_one_figure_only(database: Database) -> None:
    with database.begin() as session:
        tallies.add(session, "one", ("a",), 5)
        tallies.add(session, "two", ("a",), 5)
    with database.begin() as session:
        tallies.replace(session, "one", {("a",): 2, ("b", "c"): 1})
    with database.read() as session:
        assert tallies.read(session, "one") == {("a",): 2, ("b", "c"): 1}
        assert tallies.read(session, "two") == {("a",): 5}


def test_rows_that_break_a_unique_key_are_left_out_and_the_others_go_in(database: Database) -> None:
    rows = [{"id": uuid4(), "category": "x", "size": 0.0, "revision": 1, "code": code} for code in ("a", "b", "a")]
    with database.begin() as session:
        assert [row.code for row in insert_new(session, things, rows[:1], things.c.code)] == ["a"]
        assert {row.code for row in insert_new(session, things, rows, things.c.code)} == {"b"}
        assert insert_new(session, things, [], things.c.code) == []
        assert list(insert_new(session, things, rows)) == []


def test_a_time_comes_back_aware_and_in_utc(database: Database) -> None:
    helsinki = NOON.astimezone(timezone(timedelta(hours=3)))
    with database.begin() as session:
        session.execute(insert(inbox).values(queue="q", event_id=uuid4(), handled_at=helsinki))
    with database.read() as session:
        found = session.scalar(select(inbox.c.handled_at))
        assert found == NOON
        assert found.utcoffset() == timedelta()
        assert session.scalar(select(inbox.c.queue).where(inbox.c.handled_at <= helsinki)) == "q"


def test_a_time_without_zone_is_never_kept(database: Database) -> None:
    with pytest.raises(Exception, match="has no zone"), database.begin() as session:
        session.execute(insert(inbox).values(queue="q", event_id=uuid4(), handled_at=NOON.replace(tzinfo=None)))


def test_what_failed_within_a_transaction_leaves_nothing(database: Database) -> None:
    row = {"id": uuid4(), "category": "x", "size": 0.0, "revision": 1}

    def write_twice() -> None:
        with database.begin() as session:
            session.execute(insert(things).values(row))
            session.execute(insert(things).values(row))

    with pytest.raises(IntegrityError):
        write_twice()
    with database.read() as session:
        assert session.execute(select(things)).all() == []


def test_writers_wait_for_each_other_and_readers_for_nobody(database: Database) -> None:
    with database.begin() as session:
        session.execute(delete(things))
        session.execute(insert(things).values(id=uuid4(), category="x", size=0.0, revision=1))
        with database.read() as reader:
            assert reader.execute(select(things)).all() == []
    with database.read() as reader:
        assert len(reader.execute(select(things)).all()) == 1


def test_a_commit_wakes_who_listens(database: Database) -> None:
    heard: list[int] = []
    database.listeners.append(lambda *_: heard.append(1))
    with database.begin():
        pass
    with pytest.raises(ZeroDivisionError), database.begin():
        raise ZeroDivisionError
    assert heard == [1]


def test_the_clock_stops_where_it_is_set_and_runs_again() -> None:
    with clock.frozen(NOON):
        assert clock.now() == clock.now() == NOON
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
