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


def rewrite(table: str, columns: Sequence[str], make: Callable[[Any], dict[str, Any]]) -> None:
    """Give rows what ``make`` says of them, some of ascending ``id`` at a time; those that change are committed.

    ``columns``: what is read of a row, all that is given anew included. A row that somebody else changed since it was
    read keeps that. Begun anew after it was broken off, it looks through all again.
    """
    some = sa.text(f"SELECT id, {', '.join(columns)} FROM {table} WHERE id > :last ORDER BY id LIMIT {AT_ONCE}")
    last = 0
    with _outside_transactions(patient=False):
        while rows := op.get_bind().execute(some, {"last": last}).all():
            last = rows[-1].id
            for row in rows:
                new = {name: value for name, value in make(row).items() if value != getattr(row, name)}
                if new:
                    values = ", ".join(f"{name} = :{name}" for name in new)
                    same = " AND ".join(f"{name} = :old_{name}" for name in new)
                    old = {f"old_{name}": getattr(row, name) for name in new}
                    op.get_bind().execute(
                        sa.text(f"UPDATE {table} SET {values} WHERE id = :id AND {same}"), {"id": row.id, **new, **old}
                    )


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
