"""Commands may be sent twice and take effect once: the first answer is kept and given again.

The row commits with the effect, under the client-made id, the natural key or the ``Idempotency-Key``. Whoever comes
second breaks its primary key, is rolled back, and gets the first one's answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import JSON, Column, Integer, String, Table, Text, select
from sqlalchemy.orm import Session

from shared import clock
from shared.db import Rows, Time, at_commit, kernel
from shared.errors import Repeated

requests = Table(
    "requests",
    kernel,
    Column("key", String(300), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Time, nullable=False, index=True),
)


@dataclass(frozen=True)
class Answer:
    """What a client gets: JSON ``body`` as bytes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Once:
    """A command that takes effect once: ``key`` tells it from others, ``fingerprint`` tells whether it is the same."""

    key: str
    fingerprint: str


def once(key: str, *parts: object) -> Once:
    """Name a command by ``key``; ``parts`` are all that must be the same when it comes again."""
    return Once(key, hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest())


def keep(session: Session, command: Once, answer: Answer) -> None:
    """Keep the answer with the effect. The commit raises IntegrityError when the command was carried out before."""
    session.info["answer"] = vars(command) | vars(answer) | {"body": answer.body.decode(), "at": clock.now()}


@at_commit(requests)
def _rows(session: Session) -> Rows:
    answer = session.info.pop("answer", None)
    return [answer] if answer else []


def kept(session: Session, command: Once) -> Answer | None:
    """The answer that this command got before, if it did. Raises Repeated when it was another command."""
    row = session.execute(select(requests).where(requests.c.key == command.key)).first()
    if row is None:
        return None
    if row.fingerprint != command.fingerprint:
        raise Repeated("The same again is welcome; this is something else under the same id.")
    return Answer(row.status, row.body.encode(), row.headers)
