"""What one can ask about facilities, areas, kinds and rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Condition, Facility, UnknownFacility
from services.assets.domain.rates import By, Figure, NotKept, Place, Rate, RateName, Sums, intact_rates, light_on_rates
from services.assets.tables import areas, facilities, facility_cells, facility_history
from shared import clock, tallies
from shared.paging import Page, page

FEW_CELLS = 200  # a box of more is looked for by its corners
Box = tuple[float, float, float, float]


def get_facility(session: Session, code: str) -> Facility:
    """A facility by its code. Raises UnknownFacility."""
    found = session.scalar(select(Facility).where(facilities.c.code == code))
    if found is None:
        raise UnknownFacility(f"There is no facility {code!r}.")
    return found


def list_facilities(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    bbox: Box | None = None,
    near: tuple[float, float, float] | None = None,
    q: str | None = None,
    **same: str | None,
) -> Page:
    """Facilities by code; with ``near`` (longitude, latitude, metres) the nearest first, on one page.

    ``same``: kind, district, grid, condition, maintainer. Retired ones are left out unless they are asked for.
    """
    query = select(*facilities.c).where(*(facilities.c[name] == value for name, value in same.items() if value))
    if not same.get("condition"):
        query = query.where(facilities.c.condition != Condition.RETIRED.value)
    if q:
        query = query.where(_named_like(q))
    if bbox is not None:
        query = query.where(*_in_box(bbox))
    if near is not None:
        return Page(_nearest(session, query, *near, limit))
    return page(session, query, [facilities.c.code], limit=limit, cursor=cursor, make=_as_facility)


def _as_facility(row: Row[Any]) -> Facility:
    return Facility(**row._mapping)


def _named_like(q: str) -> ColumnElement[bool]:
    columns = (facilities.c.code, facilities.c.name, facilities.c.street)
    like = [column.icontains(q, autoescape=True) for column in columns]
    return like[0] | like[1] | like[2]


def _in_box(box: Box) -> list[ColumnElement[bool]]:
    """Facilities whose own box meets this one: by cells where these are few, which any database finds by index."""
    west, south, east, north = box
    corners: list[ColumnElement[bool]] = [
        facilities.c.west <= east,
        facilities.c.east >= west,
        facilities.c.south <= north,
        facilities.c.north >= south,
    ]
    if (east - west + geo.CELL_DEG) * (north - south + geo.CELL_DEG) > FEW_CELLS * geo.CELL_DEG**2:
        return corners
    touched = select(facility_cells.c.facility_id).where(facility_cells.c.cell.in_(geo.cells_of_box(box)))
    return [*corners, facilities.c.id.in_(touched)]


def _nearest(
    session: Session, query: Select[Any], longitude: float, latitude: float, radius_m: float, limit: int
) -> list[Facility]:
    rows = session.execute(query.where(*_in_box(geo.box_around(longitude, latitude, radius_m))))
    reach = [(geo.metres_from(row.geometry, longitude, latitude), row.code, row) for row in rows]
    nearest = sorted((each for each in reach if each[0] <= radius_m), key=lambda each: each[:2])
    return [_as_facility(row) for _, _, row in nearest[:limit]]


def list_history(session: Session, code: str, *, limit: int, cursor: str | None = None) -> Page:
    """The life of a facility, oldest first: who did what, when it happened and when we knew."""
    facility = get_facility(session, code)
    query = select(*facility_history.c).where(facility_history.c.facility_id == facility.id)
    return page(session, query, [facility_history.c.id], limit=limit, cursor=cursor)


def list_areas(session: Session, *, level: Level, limit: int, cursor: str | None = None) -> Page:
    """Districts or grid cells by code."""
    query = select(*areas.c).where(areas.c.level == level.value)
    return page(session, query, [areas.c.code], limit=limit, cursor=cursor)


def list_kinds() -> Page:
    """The kinds of the catalogue, each with the categories of defects that fit its group."""
    catalogue = the_catalogue()
    return Page(
        [
            {**vars(kind), "categories": [c for c in catalogue.categories.values() if catalogue.fits(c, kind.slug)]}
            for kind in catalogue.kinds.values()
        ]
    )


def list_rates(
    session: Session, *, by: str, rate: str | None = None, date: date | None = None, **only: str | None
) -> Page:
    """The rates about facilities under each key of ``by``. ``only``: kind, district.

    Raises NotKept for any other day than the city's present one.
    """
    catalogue, grouped = the_catalogue(), By(by)
    if date not in (None, clock.now().astimezone(ZoneInfo(catalogue.lighting.timezone)).date()):
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
