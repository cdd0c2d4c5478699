"""Which facility a code means: the one that has it, else the one that had it before it was renumbered.

However the code is spelt: what it says to the letter comes first (domain/spelling.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from services.assets.domain.facilities import Facility, UnknownFacility
from services.assets.tables import facilities, former_codes
from shared.lists.spelling import spelt_code

AT_ONCE = 10_000  # SQLite takes 32,766 values


def get_facility(session: Session, code: str, *, locked: bool = False) -> Facility:
    """The facility that has a code, else the one that had it; locked, if wanted. Raises UnknownFacility."""
    query = select(Facility).with_for_update(key_share=True) if locked else select(Facility)
    for spelling in dict.fromkeys((code, spelt_code(code))):
        had_it = select(former_codes.c.facility_id).where(former_codes.c.code == spelling).scalar_subquery()
        for means in (facilities.c.code == spelling, facilities.c.id == had_it):
            if (found := session.scalar(query.where(means))) is not None:
                return found
    raise UnknownFacility(f"There is no facility {code!r}.")


def ids_of_codes(session: Session, codes: Iterable[str]) -> dict[str, int]:
    """The id of the facility that each code means; codes that mean none are left out."""
    spellings = {code: spelt_code(code) for code in codes}
    if not spellings:
        return {}
    wanted = {*spellings, *spellings.values()}
    had_them = select(former_codes.c.code, former_codes.c.facility_id).where(former_codes.c.code.in_(wanted))
    have_them = select(facilities.c.code, facilities.c.id).where(facilities.c.code.in_(wanted))
    ids = {code: int(facility_id) for code, facility_id in session.execute(union_all(had_them, have_them))}
    return meant_by(spellings, ids)


def meant_by(spellings: Mapping[str, str], ids: Mapping[str, int]) -> dict[str, int]:
    """The id of each code as it is, else of its usual spelling; ``spellings``: the usual one of each code."""
    found = {code: code if code in ids else usual for code, usual in spellings.items()}
    return {code: ids[spelling] for code, spelling in found.items() if spelling in ids}


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
