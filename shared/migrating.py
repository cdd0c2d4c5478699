"""Steps of migrations on tables that are in use: they keep nobody waiting. What would, a contract test refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

AT_ONCE = 5_000


def create_index(name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any) -> None:
    """Build an index while others write. What a try before left of it, whole or half, is built anew."""
    drop_index(name, table)
    with _outside_transactions():
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it is there, while others read and write."""
    with _outside_transactions():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def in_batches(table: str, values: str, where: str) -> None:
    """``UPDATE table SET values WHERE where``, some rows of ascending ``id`` at a time, each time committed.

    Begun anew after it was broken off, it does what is left: ``where`` must not hold any longer for what was done.
    """
    some = f"SELECT id FROM {table} WHERE id > :last AND ({where}) ORDER BY id LIMIT {AT_ONCE}"
    change = sa.text(f"UPDATE {table} SET {values} WHERE id IN ({some}) RETURNING id")
    last = 0
    with _outside_transactions(patient=False):
        while done := op.get_bind().execute(change, {"last": last}).scalars().all():
            last = max(done)


def rewrite(table: str, column: str, read: Sequence[str], make: Callable[[Any], Any], before: Any = 0) -> None:
    """Give a column what ``make`` says of each row's ``read`` columns, some rows of ascending ``id`` at a time.

    Where somebody else changed it since it was read, that stays. Begun anew after it was broken off, it looks through
    all rows again. ``before`` is less than every id.
    """
    some = sa.text(f"SELECT id, {', '.join((column, *read))} FROM {table} WHERE id > :last ORDER BY id LIMIT {AT_ONCE}")
    change = sa.text(f"UPDATE {table} SET {column} = :new WHERE id = :id AND {column} IS NOT DISTINCT FROM :old")
    last = before
    with _outside_transactions(patient=False):
        while rows := op.get_bind().execute(some, {"last": last}).all():
            last = rows[-1].id
            new = [{"id": row.id, "old": row[1], "new": make(row)} for row in rows]
            if changed := [each for each in new if each["old"] != each["new"]]:
                op.get_bind().execute(change, changed)


@contextmanager
def _outside_transactions(*, patient: bool = True) -> Iterator[None]:
    """On PostgreSQL each statement is its own transaction here. ``patient``: nobody waits behind it while it waits.

    SQLite has one writer, and migrates in one transaction.
    """
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        limit = op.get_bind().scalar(sa.text("SHOW lock_timeout"))
        op.execute("SET lock_timeout = 0" if patient else f"SET lock_timeout = '{limit}'")
        try:
            yield
        finally:
            op.execute(f"SET lock_timeout = '{limit}'")
