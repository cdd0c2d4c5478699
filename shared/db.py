"""Tables and transactions, on PostgreSQL and SQLite alike. One transaction per use case."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, registry, sessionmaker
from sqlalchemy.pool import QueuePool

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
PATIENCE_S = 30  # to wait for another writer of an SQLite file
as_json = msgspec.json.Encoder().encode
Rows = list[dict[str, Any]]
GiveRows = Callable[[Session], Rows]
_late: dict[sa.Table, GiveRows] = {}

kernel = sa.MetaData(naming_convention=NAMES)  # outbox, inbox, retries …: in every service's database


def new_mapping() -> registry:
    """Each service makes its own, so that no two services ever share a table."""
    return registry(metadata=sa.MetaData(naming_convention=NAMES))


class Time(sa.TypeDecorator[datetime]):
    """An aware time, kept in UTC. SQLite knows no zones: there it is stored naive and comes back aware."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no zone.")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One service's database: ``begin()`` to write, ``read()`` to read, ``listeners`` to hear what committed."""

    def __init__(self, url: str, connections: int = 16) -> None:
        self.engine = _engine(url, connections)
        self.listeners: list[Callable[[Session], object]] = []
        self._sqlite = self.engine.dialect.name == "sqlite"
        # A second writer of this process would block all of it inside SQLite; here it waits without blocking.
        self._writer = threading.Lock() if self._sqlite else nullcontext()
        self._read = sessionmaker(self.engine, expire_on_commit=False)
        self._write = sessionmaker(self.engine.execution_options(writes=True), expire_on_commit=False)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A write transaction: commits at the end of the block, rolls back on an error."""
        with self._writer, self._write.begin() as session:
            yield session
        for heard in self.listeners:
            heard(session)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state and changes nothing."""
        with self._read() as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str, connections: int) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_use_lifo=True,
            executemany_mode="values_plus_batch",  # a batch of updates is one round trip
        )
    if (file := sa.make_url(url).database) and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    patience = {"check_same_thread": False, "timeout": PATIENCE_S}
    engine = sa.create_engine(url, poolclass=QueuePool, pool_size=connections, connect_args=patience)
    sa.event.listen(engine, "connect", _tune_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _tune_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # pysqlite begins late and commits on its own: we begin ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writes"):
        _begin_writing(connection, time.monotonic() + PATIENCE_S)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: sa.Connection, deadline: float) -> None:
    """Another process may be writing: SQLite itself would wait for it with the whole of this process standing still."""
    while True:
        connection.exec_driver_sql("PRAGMA busy_timeout=0")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE_S * 1000}")
        time.sleep(0.005)


def insert_new(
    session: Session, table: sa.Table, rows: Sequence[dict[str, Any]], *returning: sa.Column[Any]
) -> Sequence[sa.Row[Any]]:
    """Insert the rows that break no unique key; return ``returning`` of those that went in. Both engines.

    Every row has the same keys. No binary columns; what is returned is numbers, texts or UUIDs.
    """
    if not rows:
        return []
    result: Any
    if session.get_bind().dialect.name == "postgresql":
        statement = _insertion(table, tuple(rows[0]), returning)
        result = session.connection().exec_driver_sql(statement, {"rows": as_json(rows).decode()})
    else:
        into: Any = sqlite.insert(table).on_conflict_do_nothing()
        result = session.execute(into.returning(*returning) if returning else into, rows)
    return result.all() if returning else []


@cache
def _insertion(table: sa.Table, names: tuple[str, ...], returning: tuple[sa.Column[Any], ...]) -> str:
    into = postgresql.insert(table).from_select(names, listed(table, names, "rows")).on_conflict_do_nothing()
    return _written(into.returning(*returning) if returning else into)


def _written(statement: Any) -> str:
    """The statement as psycopg2 takes it: finding it again in SQLAlchemy's cache costs more than running it."""
    return str(statement.compile(dialect=psycopg2.dialect()))  # type: ignore[no-untyped-call]


def listed(table: sa.Table, names: tuple[str, ...], parameter: str) -> Any:
    """The rows that one JSON parameter lists: rendering each value of thousands of rows takes ten times as long."""
    columns = [sa.column(name, table.c[name].type) for name in names]
    parsed = sa.cast(sa.bindparam(parameter, type_=sa.Text), postgresql.JSON)
    rows = sa.func.json_to_recordset(parsed).table_valued(*columns)
    return sa.select(rows.render_derived(with_types=True))


def at_commit(table: sa.Table) -> Callable[[GiveRows], GiveRows]:
    """Let a function give the rows that a session has for the table when it commits; all tables in one statement."""

    def register(give: GiveRows) -> GiveRows:
        _late[table] = give
        return give

    return register


@sa.event.listens_for(Session, "before_commit")
def _insert_late(session: Session) -> None:
    late = {table: rows for table, give in _late.items() if (rows := give(session))}
    if late and session.get_bind().dialect.name == "postgresql":
        shapes = tuple((table, tuple(rows[0])) for table, rows in late.items())
        rows_of = {table.name: as_json(rows).decode() for table, rows in late.items()}
        session.connection().exec_driver_sql(_insertions(shapes), rows_of)
    else:
        for table, rows in late.items():
            session.execute(sa.insert(table), rows)


@cache
def _insertions(shapes: tuple[tuple[sa.Table, tuple[str, ...]], ...]) -> str:
    into = [sa.insert(table).from_select(names, listed(table, names, table.name)) for table, names in shapes]
    return _written(sa.select(sa.literal_column("1")).add_cte(*(each.cte(f"into_{each.table.name}") for each in into)))
