"""Codes that facilities gave up: kept by each service that knows facilities by nothing but their codes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Column, Integer, MetaData, Select, Table, Text, bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from shared.events.assets import FacilityRenumbered
from shared.lists.spelling import spelt_code


def codes_table(metadata: MetaData) -> Table:
    """For each code that was given up the one that its facility has now, by which revision of that."""
    return Table(
        "former_codes",
        metadata,
        Column("former", Text, primary_key=True),
        Column("code", Text, nullable=False, index=True),
        Column("revision", Integer, nullable=False),
    )


def keep_codes(session: Session, table: Table, events: Iterable[FacilityRenumbered]) -> dict[str, str]:
    """Keep the newest word on each facility, whatever is heard first; the present code by each former one of these."""
    formers: set[str] = set()
    for event in sorted(events, key=lambda each: each.revision):
        formers |= {*event.former_codes}
        names = {event.code, *event.former_codes}
        of_it = table.c.former.in_(names) | table.c.code.in_(names)
        known = session.scalar(select(func.max(table.c.revision)).where(of_it))
        if known is None or known < event.revision:
            session.execute(delete(table).where(of_it))
            new = {"code": event.code, "revision": event.revision}
            session.execute(insert(table), [{"former": each, **new} for each in event.former_codes])
    return present_codes(session, table, formers)


def present_codes(session: Session, table: Table, codes: Iterable[str | None]) -> dict[str, str]:
    """Of the codes that were given up, the present ones."""
    given = set(filter(None, codes))
    found = session.execute(_present(table), {"given": list(given)}) if given else ()
    return {row.former: row.code for row in found}


@cache
def _present(table: Table) -> Select[tuple[str, str]]:
    return select(table.c.former, table.c.code).where(table.c.former.in_(bindparam("given", expanding=True)))


def codes_meant(session: Session, table: Table, code: str) -> set[str]:
    """A code as given and as it is spelt, with all that the facility has or had which it means."""
    given = {code, spelt_code(code)}
    present = given | set(present_codes(session, table, given).values())
    return present | set(session.scalars(select(table.c.former).where(table.c.code.in_(present))))
