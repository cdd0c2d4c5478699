"""The live stream: nothing that stands or changes is lost to a reader, wherever it was cut off. On both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from services.alerts import tables
from services.alerts.stream import MARKS, Feed, last_id
from shared import changes, clock
from shared.changes import changes as change_log
from shared.db import Database
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.gauges import NOON, reading, register, send


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "alerts", tables.mapping.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with clock.frozen(NOON), left_as_found(made, tables.mapping.metadata) as lent:
        for number in range(43):
            register(lent, f"g-{number}")
        yield lent


def say(database: Database, value: float, minute: float = 0, gauges: int = 1) -> None:
    """Let the first gauges read this, and give the changes their positions."""
    send(database, *(reading(value, minute, f"g-{number}") for number in range(gauges)))
    with database.begin() as session:
        changes.number(session)


class Told:
    """One event: its id, if it carries one, and the alert."""

    def __init__(self, event: bytes) -> None:
        *ids, data = event.decode().strip().split("\n")
        self.id = ids[0].removeprefix("id: ") if ids else None
        self.alert: dict[str, Any] = json.loads(data.removeprefix("data: "))

    @property
    def source(self) -> str:
        return str(self.alert["source"])


class Reader:
    """A browser: it keeps the last id that it was sent, and comes back with it."""

    def __init__(self, database: Database) -> None:
        self.database, self.last = database, ""

    def read(self, most: int) -> list[Told]:
        """Connect, read so many events, and lose the connection."""
        stream = Feed(self.database).follow(last_id(self.last), lambda: False)
        assert next(stream).startswith(b"retry")
        events = [Told(next(stream)) for _ in range(most)]
        self.last = next((told.id for told in reversed(events) if told.id), self.last)
        stream.close()  # type: ignore[attr-defined]
        return events


def test_a_reader_that_is_cut_off_in_the_opening_list_gets_all_of_it(database: Database) -> None:
    say(database, 6, gauges=43)
    reader = Reader(database)
    assert len(reader.read(4)) == 4
    assert reader.last == ""
    everything = reader.read(43)
    assert len({told.source for told in everything}) == 43
    assert [told.id for told in everything[:-1]] == [None] * 42
    assert reader.last


def test_a_reader_that_is_cut_off_in_what_changed_goes_on_there(database: Database) -> None:
    say(database, 6, gauges=43)
    reader = Reader(database)
    reader.read(43)
    say(database, 30, 1, gauges=43)
    first = reader.read(4)
    rest = reader.read(39)
    assert len({told.source for told in [*first, *rest]}) == 43
    assert len({told.id for told in [*first, *rest]}) == 43


def test_a_stream_begins_with_what_stands_and_goes_on_with_what_changes(database: Database) -> None:
    say(database, 6)
    stopped: list[bool] = []
    stream = Feed(database).follow(None, lambda: bool(stopped))
    next(stream)
    assert Told(next(stream)).alert["severity"] == "minor"
    say(database, 26, 1)
    assert Told(next(stream)).alert["severity"] == "severe"
    stopped.append(True)
    assert list(stream) == []


def test_a_reader_that_saw_nothing_yet_gets_the_first_change(database: Database) -> None:
    stream = Feed(database).follow(None, lambda: False)
    next(stream)
    say(database, 6)
    assert Told(next(stream)).source == "g-0"


@pytest.mark.parametrize("seen", ["x; DROP", "99999", str(7 * MARKS + 3), "9" * 18, "0", ""])
def test_an_id_that_is_none_of_ours_begins_anew(database: Database, seen: str) -> None:
    say(database, 6)
    reader = Reader(database)
    reader.last = seen
    assert [told.source for told in reader.read(1)] == ["g-0"]


def test_an_id_older_than_what_is_kept_begins_anew(database: Database) -> None:
    say(database, 6, gauges=2)
    reader = Reader(database)
    reader.read(2)
    say(database, 30, 1, gauges=2)
    with database.begin() as session:
        session.execute(delete(change_log).where(change_log.c.position <= 3))
    assert {told.source for told in reader.read(2)} == {"g-0", "g-1"}


def test_after_a_restore_the_ids_of_what_was_lost_begin_anew(database: Database) -> None:
    """The log went back, and has grown past where the reader was: other changes stand there now."""
    say(database, 6, gauges=2)
    reader = Reader(database)
    reader.read(2)
    later = NOON + timedelta(hours=1)
    with database.begin() as session:
        session.execute(update(change_log).values(at=later))
    say(database, 30, 1)
    assert {told.source for told in reader.read(2)} == {"g-0", "g-1"}


def test_a_log_that_goes_back_under_a_stream_cuts_it_off(database: Database) -> None:
    say(database, 6, gauges=3)
    stream = Feed(database).follow(None, lambda: False)
    for _ in range(4):
        next(stream)
    with database.begin() as session:
        session.execute(delete(change_log))
    say(database, 30, 1)
    assert list(stream) == []


def test_a_stream_whose_end_has_come_says_nothing_more(database: Database) -> None:
    say(database, 6, gauges=3)
    ended = iter([False, True])
    stream = Feed(database).follow(None, lambda: next(ended))
    assert len(list(stream)) == 2


def test_the_poller_runs_again_for_the_next_reader(database: Database) -> None:
    feed = Feed(database)
    for minute in range(3):
        stream = feed.follow(None, lambda: False)
        next(stream)
        say(database, [6, 26, 7][minute], minute)
        assert Told(next(stream)).alert["value"] in (6, 26, 7)
        stream.close()  # type: ignore[attr-defined]
