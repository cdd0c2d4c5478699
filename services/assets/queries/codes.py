"""Which facility a code means: the one that has it, else the one that had it before it was renumbered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from services.assets.domain.facilities import Facility, UnknownFacility
from services.assets.tables import facilities, former_codes

AT_ONCE = 10_000  # SQLite takes 32,766 values


def get_facility(session: Session, code: str, *, locked: bool = False) -> Facility:
    """The facility that has a code, else the one that had it; locked, if wanted. Raises UnknownFacility."""
    query = select(Facility).with_for_update(key_share=True) if locked else select(Facility)
    had_it = select(former_codes.c.facility_id).where(former_codes.c.code == code).scalar_subquery()
    for means in (facilities.c.code == code, facilities.c.id == had_it):
        if (found := session.scalar(query.where(means))) is not None:
            return found
    raise UnknownFacility(f"There is no facility {code!r}.")


def ids_of_codes(session: Session, codes: Iterable[str]) -> dict[str, int]:
    """The id of the facility that each code means; codes that mean none are left out."""
    wanted = set(codes)
    if not wanted:
        return {}
    had_them = select(former_codes.c.code, former_codes.c.facility_id).where(former_codes.c.code.in_(wanted))
    have_them = select(facilities.c.code, facilities.c.id).where(facilities.c.code.in_(wanted))
    return {code: int(facility_id) for code, facility_id in session.execute(union_all(had_them, have_them))}


def former_codes_among(session: Session, codes: Iterable[str]) -> set[str]:
    """Those of the codes that no facility has any more, but one had."""
    return set(session.scalars(select(former_codes.c.code).where(former_codes.c.code.in_(set(codes)))))


def former_codes_of(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    """The codes that each of these facilities has given up."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = former_codes.c.facility_id.in_(ids[start : start + AT_ONCE])
        for facility_id, code in session.execute(select(former_codes.c.facility_id, former_codes.c.code).where(some)):
            found.setdefault(facility_id, []).append(code)
    return found
