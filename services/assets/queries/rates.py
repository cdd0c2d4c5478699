"""The rates, from the sums that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Condition
from services.assets.domain.rates import By, Figure, NotKept, Place, Rate, RateName, Sums, intact_rates, light_on_rates
from services.assets.tables import facilities
from shared import clock, tallies
from shared.paging import Page


def list_rates(
    session: Session, *, by: str, rate: str | None = None, date: date | None = None, **only: str | None
) -> Page:
    """The rates about facilities under each key of ``by``. ``only``: kind, district.

    Raises NotKept for any other day than the city's present one.
    """
    catalogue, grouped = the_catalogue(), By(by)
    if date not in (None, catalogue.city.day_of(clock.now())):
        raise NotKept("Rates can be asked for the present day only.", field="date")
    sums = {figure: _only(tallies.read(session, figure), only) for figure in Figure}
    left_out = _left_out(session, grouped, only)
    found: list[Rate] = []
    if rate in (None, RateName.INTACT):
        found += intact_rates(grouped, catalogue, sums[Figure.IN_SERVICE], sums[Figure.DEFECTIVE], left_out)
    if rate in (None, RateName.LIGHT_ON_SAMPLED):
        found += light_on_rates(grouped, catalogue, sums[Figure.LAMPS_CHECKED], sums[Figure.LAMPS_LIT], left_out)
    return Page(found)


def _only(sums: Sums, only: Mapping[str, str | None]) -> Sums:
    return {
        labels: amount
        for labels, amount in sums.items()
        if all(getattr(Place(*labels[:4]), name) == value for name, value in only.items() if value is not None)
    }


def _left_out(session: Session, by: By, only: Mapping[str, str | None]) -> dict[tuple[str, str], dict[str, Any]]:
    """By (key of ``by``, kind): how many are out of service, how much that is, and why."""
    key = func.coalesce(facilities.c[by.value], "")
    reason = func.coalesce(facilities.c.out_of_service_reason, "")
    rows = session.execute(
        select(key, facilities.c.kind, reason, func.count(), func.sum(facilities.c.measure_milli))
        .where(
            facilities.c.condition == Condition.OUT_OF_SERVICE.value,
            *(func.coalesce(facilities.c[name], "") == value for name, value in only.items() if value is not None),
        )
        .group_by(key, facilities.c.kind, reason)
    )
    return _gathered(rows.all())


def _gathered(rows: Sequence[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for key, kind, reason, count, milli in rows:
        entry = found.setdefault((key, kind), {"facilities": 0, "quantity": 0.0, "reasons": {}})
        entry["facilities"] += count
        entry["quantity"] += int(milli) / 1000
        entry["reasons"][reason] = count
    return found
