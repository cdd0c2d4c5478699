"""Tables and transactions, on PostgreSQL and SQLite alike. One transaction per use case that changes something.

Nothing waits for the database without a bound: not for a connection, a lock, an answer, or for whoever sleeps within a
transaction. What is beyond a bound raises; ``failing`` tells it from an error of one's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import sqlalchemy as sa
from psycopg2 import extensions
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg2 as dialect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
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
FREE_S = 3  # to wait for a free connection
CONNECT_S = 5
SLACK_S = 5  # beyond the server's own limit of a statement: then it is the server that stands still
QUICK_S = 4  # for an answer to who asks whether it answers at all: less than half of Prometheus' patience
JOB_S = 600  # for a statement of a job beside the requests
# A host that vanishes is missed within about ten seconds. What a database's URL says itself comes first.
SOCKET = {
    "connect_timeout": CONNECT_S, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip
SESSION = {"lock_timeout": "3s", "statement_timeout": "30s", "idle_in_transaction_session_timeout": "15s"}
PATIENT = {"lock_timeout": "60s", "statement_timeout": "0", "idle_in_transaction_session_timeout": "10min"}

# SQLSTATEs or their beginnings, and SQLite's names for the like.
DUPLICATE = ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID")
READ_ONLY = ("25006", "SQLITE_READONLY")
AWAY = (*READ_ONLY, "08", "53", "57P", "58", "25P03", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN",
        "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_PERM")  # fmt: skip
BUSY = ("55P03", "40P01", "40001", "SQLITE_BUSY", "SQLITE_LOCKED")
SLOW = ("57014",)
FULL = ("53100", "SQLITE_FULL")

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
    """One service's database: ``begin()`` to write, ``look()`` or ``read()``, ``listeners`` to hear what committed.

    ``patient``: for a process of its own that may take long, such as an import, and that nobody waits for.
    """

    def __init__(self, url: str, connections: int = 16, *, patient: bool = False) -> None:
        self.engine = _engine(url, connections, PATIENT if patient else SESSION)
        self.listeners: list[Callable[[Session], object]] = []
        self._sqlite = self.engine.dialect.name == "sqlite"
        # Writers that wait for a row leave some connections to readers. SQLite has one writer: a second one of this
        # process would block all of it there; here it waits without blocking.
        self._writers = threading.Semaphore(1 if self._sqlite else max(1, connections - max(1, connections // 4)))
        self._read = sessionmaker(self.engine, expire_on_commit=False)
        self._write = sessionmaker(self.engine.execution_options(writes=True), expire_on_commit=False)

    @contextmanager
    def begin(self, *, statement_s: int | None = None, at_once: bool = False) -> Iterator[Session]:
        """A write transaction: commits at the end of the block, rolls back on an error.

        ``statement_s`` allows its statements to take longer than others. ``at_once``: not behind writers that wait for
        a row, for one that looks whether writing works.
        """
        with nullcontext() if at_once and not self._sqlite else self._turn(), self._write.begin() as session:
            if statement_s and not self._sqlite:
                _allow(session, statement_s)
            yield session
        for heard in self.listeners:
            heard(session)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._writers.acquire(timeout=PATIENCE_S if self._sqlite else FREE_S):
            raise NoneFree("Too many write at once.")
        try:
            yield
        finally:
            self._writers.release()

    @contextmanager
    def look(self) -> Iterator[Session]:
        """Reads, each statement the state of its moment, without what a transaction costs: half of a short request."""
        with self._read() as session:
            if self._sqlite:
                yield session
                return
            connection: Any = session.connection().connection.dbapi_connection
            connection.autocommit = True  # SQLAlchemy's own isolation level would ask the server, and be lost with it
            try:
                yield session
            finally:
                with suppress(psycopg2.Error):
                    connection.autocommit = False

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """For one message of statements that belong together: PostgreSQL commits it itself, and waits for no answer.

        No lock in it is held while we are busy with something else. On SQLite a transaction.
        """
        with self.begin() if self._sqlite else self.look() as session:
            yield session

    @contextmanager
    def read(self, *, quick: bool = False) -> Iterator[Session]:
        """A transaction that changes nothing, for what fetches piece by piece, or locks.

        ``quick``: raises where the server stands still.
        """
        with self._read() as session:
            if quick and not self._sqlite:
                _wait_for(session, QUICK_S)
            yield session

    def check(self) -> None:
        """Raises what keeps it from answering requests."""
        with self.read(quick=True) as session:
            if self._sqlite:
                session.execute(sa.text("SELECT 1"))
            elif session.scalar(sa.text("SELECT current_setting('transaction_read_only')")) == "on":
                self.engine.dispose()  # another server may have taken over
                raise ConnectionError("The database takes no changes.")

    def close(self) -> None:
        self.engine.dispose()


def code_of(error: BaseException | None) -> str:
    """The SQLSTATE of a database's error, or SQLite's name for it; empty where there is none."""
    cause = getattr(error, "orig", error)
    return getattr(cause, "pgcode", None) or getattr(cause, "sqlite_errorname", None) or ""


def duplicate(error: BaseException) -> bool:
    """Whether something with this unique key is there already."""
    return code_of(error).startswith(DUPLICATE)


def away(error: BaseException) -> bool:
    """Whether the connection was lost, or the database takes nothing from anybody."""
    if not isinstance(error, DBAPIError):
        return False
    lost = isinstance(error, InterfaceError) or (isinstance(error, OperationalError) and not code_of(error))
    return lost or error.connection_invalidated or code_of(error).startswith(AWAY)


def full(error: BaseException) -> bool:
    """Whether its disk is."""
    return code_of(error).startswith(FULL)


def busy(error: BaseException) -> bool:
    """Whether others held what was needed: the same may work in a moment."""
    return isinstance(error, NoneFree) or code_of(error).startswith(BUSY)


def failing(error: BaseException) -> bool:
    """Whether the database could not serve us, whatever was asked."""
    return away(error) or busy(error) or code_of(error).startswith(SLOW)


class _Connection(extensions.connection):
    patience_s: float | None = CONNECT_S  # without a word from the server; deploy/waiting.py


def _allow(session: Session, statement_s: int) -> None:
    session.execute(sa.text(f"SET LOCAL statement_timeout = {statement_s * 1000}"))
    _wait_for(session, statement_s + SLACK_S)


def _wait_for(session: Session, answer_s: float) -> None:
    connection: Any = session.connection().connection.dbapi_connection
    connection.patience_s = answer_s


def _engine(url: str, connections: int, limits: dict[str, str]) -> sa.Engine:
    pool: dict[str, Any] = {"pool_size": connections, "pool_timeout": FREE_S}
    if not url.startswith("sqlite"):
        engine = sa.create_engine(
            url,
            max_overflow=0,
            pool_use_lifo=True,
            executemany_mode="values_plus_batch",  # a batch of updates is one round trip
            connect_args=_limited(sa.make_url(url), limits),
            **pool,
        )
        sa.event.listen(engine, "checkout", _as_patient_as_the_server)
        sa.event.listen(engine, "handle_error", _notice_read_only)
        return engine
    if (file := sa.make_url(url).database) and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    patience = {"check_same_thread": False, "timeout": PATIENCE_S}
    engine = sa.create_engine(url, poolclass=QueuePool, connect_args=patience, **pool)
    sa.event.listen(engine, "connect", _tune_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _limited(url: sa.URL, limits: dict[str, str]) -> dict[str, Any]:
    """How to connect: with limits, unless the URL's own query sets them."""
    ours = " ".join(f"-c {name}={value}" for name, value in limits.items())
    sockets = {name: value for name, value in SOCKET.items() if name not in url.query}
    return {**sockets, "options": f"{ours} {url.query.get('options', '')}", "connection_factory": _Connection}


def _as_patient_as_the_server(connection: Any, record: Any, _: Any) -> None:
    """Wait for a statement a little longer than the server lets it run."""
    if "limit_s" not in record.info:
        with connection.cursor() as cursor:
            cursor.execute("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")
            record.info["limit_s"] = (ms := cursor.fetchone()[0]) and ms / 1000 + SLACK_S
        connection.rollback()
    connection.patience_s = record.info["limit_s"] or None


def _notice_read_only(context: Any) -> None:
    """A server that takes no changes is of no use, nor are its other connections: another one may have taken over."""
    if code_of(context.original_exception).startswith(READ_ONLY):
        context.is_disconnect = True


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


def storable(text: str) -> str:
    """The text without what PostgreSQL keeps nowhere: NUL, and halves of characters."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


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
    return str(statement.compile(dialect=dialect.dialect()))  # type: ignore[no-untyped-call]


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
