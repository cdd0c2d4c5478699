"""Cursors: every row once, and none that somebody made up."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, Uuid, insert, select

from shared.db import Database, Time
from shared.errors import Invalid
from shared.paging import page

rows = Table(
    "rows", MetaData(),
    Column("at", Time), Column("rank", Integer), Column("name", String), Column("id", Uuid, primary_key=True),
)  # fmt: skip
BY = [rows.c.at, rows.c.rank, rows.c.name, rows.c.id]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('paging')}/rows.sqlite")
    rows.metadata.create_all(made.engine)
    with made.begin() as session:
        values = [
            {"at": NOON + timedelta(seconds=n % 3), "rank": n % 2, "name": f"n{n % 5}", "id": UUID(int=n)}
            for n in range(60)
        ]
        session.execute(insert(rows), values)
    yield made
    made.close()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61])
def test_pages_hold_every_row_once_in_order(database: Database, limit: int, descending: bool) -> None:
    seen: list[Any] = []
    cursor: str | None = None
    with database.read() as session:
        while True:
            found = page(session, select(rows), BY, limit=limit, cursor=cursor, descending=descending)
            seen += found.items
            cursor = found.next
            if cursor is None:
                break
    assert seen == sorted(seen, reverse=descending)
    assert len(seen) == 60


def test_items_are_made_of_rows(database: Database) -> None:
    with database.read() as session:
        found = page(session, select(rows), [rows.c.id], limit=2, cursor=None, make=lambda row: row.id.int)
    assert found.items == [0, 1]


AWKWARD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers(), max_size=2),
    st.sampled_from([
        "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00Z",
        str(UUID(int=5)), "a\x00b", 2**63, -(2**64), 1.5, 10**40,
    ]),
)  # fmt: skip


@given(st.lists(AWKWARD, max_size=5))
def test_a_made_up_cursor_is_invalid_or_a_page(database: Database, values: list[Any]) -> None:
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")
    with database.read() as session, suppress(Invalid):
        assert len(page(session, select(rows), BY, limit=5, cursor=cursor).items) <= 5
        assert [type(each) for each in values] == [str, int, str, str]


@given(st.text(max_size=40))
def test_any_text_as_cursor_is_invalid(database: Database, cursor: str) -> None:
    with database.read() as session, pytest.raises(Invalid):
        page(session, select(rows), BY, limit=5, cursor=cursor)
