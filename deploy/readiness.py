"""Whether a process can serve: its databases answer, and take a write. Asked by /health/ready."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from shared import logs
from shared.db import Database
from shared.web import JSON, to_json

OK, SILENT = "ok", "database does not answer"
EVERY_S = 5.0  # a write costs one flush to the disk
# Both grow a file where the disk has room, as most writes do, and leave nothing that anybody sees.
POSTGRESQL = text(
    "SELECT lo_from_bytea(0, decode((SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 512)), 'hex'))"
)
SQLITE = "PRAGMA user_version = {}"

log = logs.get(__name__)


class RolledBack(Exception):
    """The write worked, and is undone."""


class Readiness:
    """Looks at each database at every question, and writes to it every few seconds."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self.databases = databases
        self._written: dict[str, tuple[float, str]] = {}

    def answer(self) -> Response:
        """200 when all of them are well, else 503. The broker may be down: events wait for it."""
        states = {name: self.state(name) for name in self.databases}
        fine = all(state == OK for state in states.values())
        document = {"status": "ok" if fine else "unavailable", "databases": states}
        return Response(to_json(document), 200 if fine else 503, content_type=JSON)

    def state(self, name: str) -> str:
        """OK, SILENT, or that it takes no writes."""
        try:
            self.databases[name].check()
        except Exception as down:
            log.warning("not ready", service=name, error=repr(down))
            return SILENT
        return self._writing(name)

    def _writing(self, name: str) -> str:
        """What the last write said; another is tried when that is a while ago, by one question at a time."""
        at, said = self._written.get(name, (0.0, OK))
        if time.monotonic() - at < EVERY_S:
            return said
        self._written[name] = time.monotonic(), said
        try:
            write(self.databases[name])
            said = OK
        except Exception as refused:
            log.warning("not ready", service=name, error=repr(refused))
            said = "database takes no writes"
        self._written[name] = time.monotonic(), said
        return said


def write(database: Database) -> None:
    """Raises what the database says against it."""
    try:
        with database.begin(at_once=True) as session:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(POSTGRESQL)
                raise RolledBack
            _mark(session)
    except RolledBack:
        pass


def _mark(session: Session) -> None:
    """SQLite writes at the commit only. The number in the file's header is free for us to use."""
    connection = session.connection()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(SQLITE.format((version + 1) % 1_000_000))
