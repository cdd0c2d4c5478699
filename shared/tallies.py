"""Running sums that metrics show, kept by whoever changes what they count, in the same transaction.

A writer only appends what it adds; the relay folds the rows from time to time. So no two writers ever wait for one
row, and a sum read at any moment is exact. Amounts are whole numbers: quantities come in thousandths of their unit.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import BigInteger, Column, ColumnElement, Identity, Index, Integer, String, Table, delete, func, select
from sqlalchemy.orm import Session

from shared.db import Rows, at_commit, kernel

Sums = dict[tuple[str, ...], int]

tallies = Table(
    "tallies",
    kernel,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("figure", String(60), nullable=False),
    Column("labels", String(400), nullable=False),  # joined by LABEL_END: texts compare faster than JSON
    Column("amount", BigInteger, nullable=False),
)
# Its operators find beginnings in any locale.
Index("ix_tallies_figure_labels", tallies.c.figure, tallies.c.labels, postgresql_ops={"labels": "varchar_pattern_ops"})
LABEL_END = "\x1f"
FOLD = 5_000


def add(session: Session, figure: str, labels: tuple[str, ...], amount: int = 1) -> None:
    """Add to a figure's sum under these labels when the session commits."""
    sums = session.info.get("tallies")
    if sums is None:
        sums = session.info["tallies"] = Counter()
    sums[figure, LABEL_END.join(labels)] += amount


@at_commit(tallies)
def _rows(session: Session) -> Rows:
    sums = session.info.pop("tallies", {})
    return [{"figure": figure, "labels": labels, "amount": n} for (figure, labels), n in sums.items() if n]


def read(session: Session, figure: str, beginning: str = "", by: ColumnElement[str] = tallies.c.labels) -> Sums:
    """The sums of a figure, by labels of which the first begins so; those that came to zero are left out.

    ``by``: what of the labels is kept apart, for coarser sums that the database puts together.
    """
    total = func.sum(tallies.c.amount).cast(BigInteger)  # PostgreSQL's own sum is a decimal: slow to read
    wanted = tallies.c.figure == figure, tallies.c.labels.startswith(beginning, autoescape=True)
    rows = session.execute(select(by, total).where(*wanted).group_by(by).having(total != 0))
    return {tuple(labels.split(LABEL_END)): amount for labels, amount in rows.all()}


def replace(session: Session, figure: str, sums: Sums) -> None:
    """Set a figure anew, from a recount."""
    session.execute(delete(tallies).where(tallies.c.figure == figure))
    for labels, amount in sums.items():
        add(session, figure, labels, amount)


def rows(session: Session) -> int:
    """How many rows there are: the sums, and what was added since they were folded."""
    return session.scalar(select(func.count()).select_from(tallies)) or 0


def fold(session: Session) -> int:
    """Put up to FOLD rows together, one a figure and labels; return how many rows went into it."""
    some = select(tallies.c.id).order_by(tallies.c.id).limit(FOLD).with_for_update(skip_locked=True)
    gone = session.execute(
        delete(tallies).where(tallies.c.id.in_(some)).returning(*tallies.c["figure", "labels", "amount"])
    ).all()
    for figure, labels, amount in gone:
        add(session, figure, tuple(labels.split(LABEL_END)), amount)
    return len(gone)
