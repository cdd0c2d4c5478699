"""What to print on labels."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Facility, UnknownFacility
from services.assets.domain.labels import Label, address_of
from services.assets.queries.codes import ids_of_codes
from services.assets.queries.search import list_facilities
from services.assets.tables import facilities
from shared.paging import Page


def list_labels(session: Session, *, public_url: str, codes: list[str] | None = None, **search: Any) -> Page:
    """The labels of the facilities with these codes, in that order, else of a page of a search.

    Raises UnknownFacility.
    """
    found = Page(_with_codes(session, codes)) if codes else list_facilities(session, **search)
    return Page([_label(each, public_url) for each in found.items], found.next)


def _with_codes(session: Session, codes: list[str]) -> list[Facility]:
    ids = ids_of_codes(session, codes)
    if missing := [code for code in codes if code not in ids]:
        raise UnknownFacility(f"There is no facility {missing[0]!r}.", field="codes")
    by_id = {each.id: each for each in session.scalars(select(Facility).where(facilities.c.id.in_(ids.values())))}
    return [by_id[ids[code]] for code in codes]


def _label(facility: Facility, public_url: str) -> Label:
    kind = the_catalogue().kinds.get(facility.kind)
    return Label(
        code=facility.code,
        kind_zh=kind.zh if kind else "",
        kind_en=kind.en if kind else facility.kind,
        street=facility.street or "",
        opens=address_of(public_url, facility.code),
    )
