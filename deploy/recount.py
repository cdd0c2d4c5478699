"""``waywarden recount``: what is kept of the facts is counted anew from them, sums and rows alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared import tallies
from shared.db import Database
from shared.proofs import Proof

AT_ONCE = 500  # things whose rows are looked at in one transaction
SHOWN = 5


def recount_rows(database: Database, proofs: Sequence[Proof], *, repair: bool) -> Iterator[str]:
    """A line for each batch with wrong rows. Bounded in memory, whatever the city has."""
    for proof in proofs:
        last: Any = None
        while keys := _next(database, proof, last):
            last = keys[-1]
            if wrong := _wrong(database, proof, keys, repair):
                some = ", ".join(map(str, wrong[:SHOWN])) + (", …" if len(wrong) > SHOWN else "")
                yield f"{proof.name}: {len(wrong)} differ, of {proof.key} {some}"


def waiting(database: Database, proofs: Sequence[Proof]) -> Iterator[str]:
    """What cannot be proven now."""
    with database.read() as session:
        for proof in proofs:
            if behind := proof.waiting(session):
                yield f"{proof.name}: {behind} changes are still to be followed. Ask again when they are."


def _next(database: Database, proof: Proof, last: Any) -> Sequence[Any]:
    some = select(proof.key).distinct().order_by(proof.key).limit(AT_ONCE)
    with database.read() as session:
        return session.scalars(some if last is None else some.where(proof.key > last)).all()


def _wrong(database: Database, proof: Proof, keys: Sequence[Any], repair: bool) -> list[Any]:
    with database.read() as session:
        one_snapshot(session)
        wrong = [] if proof.waiting(session) else sorted(proof.wrong(session, keys))
    if wrong and repair:
        with database.begin() as session:
            proof.mend(session, wrong)
    return wrong


def recount_sums(database: Database, figures: Any, *, repair: bool) -> Iterator[str]:
    """A line for each sum that differs."""
    with database.begin() as session:
        one_snapshot(session)
        for figure, counted in figures.recount(session).items():
            kept, counted = tallies.read(session, figure), {key: n for key, n in counted.items() if n}
            for labels in sorted(kept.keys() | counted.keys()):
                if kept.get(labels, 0) != counted.get(labels, 0):
                    now = f"kept {kept.get(labels, 0)}, counted {counted.get(labels, 0)}"
                    yield f"{figure} {'/'.join(labels)}: {now}"
            if repair and kept != counted:
                tallies.replace(session, figure, counted)


def one_snapshot(session: Session) -> None:
    """Count and sums of the same moment, while others write. SQLite lets only one write anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
