"""What one can ask about imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, exists, select
from sqlalchemy.orm import Session

from services.assets.domain.imports import OPEN, State, UnknownImport, UnknownProfile, series_of
from services.assets.tables import import_profiles, import_rejects, imports
from shared.paging import Page, page

AT_ONCE = 1_000


def get_import(session: Session, import_id: UUID) -> dict[str, Any]:
    """An import as it stands. Raises UnknownImport."""
    row = session.execute(select(*imports.c).where(imports.c.id == import_id)).first()
    if row is None:
        raise UnknownImport(f"There is no import {import_id}.")
    return _shown(row)


def list_imports(session: Session, *, limit: int, cursor: str | None = None) -> Page:
    """Imports, the newest first."""
    return page(
        session, select(*imports.c), [imports.c.created_at, imports.c.id],
        limit=limit, cursor=cursor, descending=True, make=_shown,
    )  # fmt: skip


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        **row._mapping,
        "state": State.RUNNING.value if row.state in OPEN else row.state,
        "dry_run": row.options.get("dry_run", False),
        "source": series_of(row.options),
        "progress": _progress(row),
    }


def _progress(row: Row[Any]) -> float | None:
    if row.state == State.DONE:
        return 1.0
    return min(1.0, row.rows / row.rows_total) if row.rows_total else None


def columns_of(session: Session, import_id: UUID) -> list[str]:
    """The columns of the file, in its order; none before it was understood. Raises UnknownImport."""
    return list((get_import(session, import_id)["understood"] or {}).get("columns", ()))


def noted_rows(session: Session, import_id: UUID, *, repaired: bool) -> Iterator[RowMapping]:
    """The rows that were refused, or those that were repaired, in the order of the file, without holding them all."""
    query = select(*import_rejects.c).where(
        import_rejects.c.import_id == import_id, import_rejects.c.repaired == repaired
    )
    rows = session.execute(query.order_by(import_rejects.c.id).execution_options(yield_per=AT_ONCE))
    yield from rows.mappings()


def one_waits(session: Session) -> bool:
    """Whether there is an import that is not done."""
    return bool(session.scalar(select(exists().where(imports.c.state.in_(OPEN)))))


def next_import(session: Session) -> UUID | None:
    """The import whose turn it is: the oldest of those at which the fewest workers have died.

    One whose series has an older file waits for that: else a census of last year would stand in the end.
    """
    waiting = select(*imports.c["id", "state", "starts", "options"]).where(imports.c.state.in_(OPEN))
    next_of: dict[str, Row[Any]] = {}
    for row in session.execute(waiting.order_by(imports.c.created_at, imports.c.id)):
        next_of.setdefault(series_of(row.options), row)
    first = min(next_of.values(), key=lambda row: (row.starts, row.state == State.RUNNING), default=None)
    return first.id if first else None


def get_profile(session: Session, name: str) -> Row[Any]:
    """A saved profile. Raises UnknownProfile."""
    found = session.execute(select(*import_profiles.c).where(import_profiles.c.name == name)).first()
    if found is None:
        raise UnknownProfile(f"There is no profile {name!r}.")
    return found


def list_profiles(session: Session, *, limit: int, cursor: str | None = None) -> Page:
    """Profiles by name."""
    return page(session, select(*import_profiles.c), [import_profiles.c.name], limit=limit, cursor=cursor)
