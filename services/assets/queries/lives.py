"""How many facilities were installed, replaced, moved, renumbered and removed in a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.lives import COUNTED, LifeCount
from services.assets.tables import facilities, facility_history
from shared.paging import Page

Where = Sequence[ColumnElement[bool]]


def count_lives(
    session: Session, *, first: date, last: date, by: str, kind: str | None = None, district: str | None = None
) -> Page:
    """By key of ``by`` and kind, what happened from the first to the last day, both included.

    A thing counts under where its facility stands now. Installed counts where the day is known (``installed_on``):
    a census that registers what has long been there installs nothing.
    """
    key = func.coalesce(facilities.c[by], "")
    only = [facilities.c[name] == value for name, value in (("kind", kind), ("district", district)) if value]
    sums: Counter[tuple[str, str, str]] = Counter()
    for found in (_deeds(key, first, last, only), _installed(key, first, last, only)):
        for each, its_kind, what, count in session.execute(found):
            sums[each, its_kind, COUNTED[what]] += count
    keys = sorted({(each, its_kind) for each, its_kind, _ in sums})
    return Page([LifeCount(by=by, key=each, kind=its_kind, **_row(sums, each, its_kind)) for each, its_kind in keys])


def _row(sums: Counter[tuple[str, str, str]], key: str, kind: str) -> dict[str, int]:
    return {name: sums[key, kind, name] for name in COUNTED.values()}


def _deeds(key: ColumnElement[str], first: date, last: date, only: Where) -> Select[Any]:
    city, deeds = the_catalogue().city, facility_history.c
    return (
        select(key, facilities.c.kind, deeds.what, func.count())
        .join_from(facility_history, facilities)
        .where(
            deeds.what.in_(list(COUNTED)),
            deeds.happened_at >= city.end_of(first - timedelta(days=1)),
            deeds.happened_at < city.end_of(last),
            *only,
        )
        .group_by(key, facilities.c.kind, deeds.what)
    )


def _installed(key: ColumnElement[str], first: date, last: date, only: Where) -> Select[Any]:
    """Things that still stand as first installed; when a replaced one was installed, its history says."""
    replaced = select(facility_history.c.facility_id).where(facility_history.c.what == "replaced")
    return (
        select(key, facilities.c.kind, literal("installed"), func.count())
        .where(
            facilities.c.installed_on.between(first, last),
            facilities.c.id.not_in(replaced),
            *only,
        )
        .group_by(key, facilities.c.kind)
    )
