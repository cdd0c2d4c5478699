"""Which facility a finding is about: the one whose code it gives, else the nearest fitting one, else none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import Catalogue
from services.assets.domain.facilities import Condition
from services.assets.queries.codes import ids_of_codes
from services.assets.queries.places import ids_about
from services.assets.tables import facilities
from shared.events.inspections import FindingConfirmed

Link = tuple[int | None, str]  # id of the facility; code | place | none
NO_LINK: Link = (None, "none")
BOXES_AT_ONCE = 20  # SQLite takes no statement of over 500 parts


def link_findings(session: Session, catalogue: Catalogue, findings: Sequence[FindingConfirmed]) -> dict[UUID, Link]:
    """Link each finding, with three queries for all of them."""
    links: dict[UUID, Link] = dict(_by_code(session, catalogue, findings))
    left = [each for each in findings if each.finding_id not in links]
    return links | _by_place(session, catalogue, left)


def _by_code(session: Session, catalogue: Catalogue, findings: Sequence[FindingConfirmed]) -> Mapping[UUID, Link]:
    """A code counts when it means a facility, not retired, of a group that can have such a defect."""
    codes = {each.facility_code for each in findings if each.facility_code}
    if not codes:
        return {}
    ids = ids_of_codes(session, codes)
    kinds = {row.id: row.kind for row in session.execute(_kinds_of(ids.values()))}
    return {
        each.finding_id: (facility_id, "code")
        for each in findings
        if (facility_id := ids.get(each.facility_code or "")) in kinds
        and _allows(catalogue, each.category, kinds[facility_id])
    }


def _kinds_of(ids: Iterable[int]) -> Select[tuple[int, str]]:
    return select(facilities.c.id, facilities.c.kind).where(
        facilities.c.id.in_(set(ids)), facilities.c.condition != Condition.RETIRED.value
    )


def _allows(catalogue: Catalogue, slug: str, kind: str) -> bool:
    """A category for anything takes any code; others only those of their groups."""
    category = catalogue.category(slug)
    return not category.groups or catalogue.fits(category, kind)


def _by_place(session: Session, catalogue: Catalogue, findings: Sequence[FindingConfirmed]) -> dict[UUID, Link]:
    radius_m = catalogue.rules.link_radius_m
    kinds = {each.finding_id: catalogue.nearest_kinds(catalogue.category(each.category)) for each in findings}
    places = {
        each.finding_id: (each.longitude, each.latitude)
        for each in findings
        if each.longitude is not None and each.latitude is not None and kinds[each.finding_id]
    }
    boxes = {finding: geo.box_around(*place, radius_m) for finding, place in places.items()}
    near = _facilities_about(session, list(boxes.values()), set().union(*kinds.values()))
    links = dict.fromkeys(kinds, NO_LINK)
    for finding, box in boxes.items():
        candidates = [
            each for cell in geo.cells_of_box(box) for each in near.get(cell, ()) if each.kind in kinds[finding]
        ]
        links[finding] = _nearest(places[finding], candidates, radius_m)
    return links


def _facilities_about(session: Session, boxes: Sequence[geo.Box], kinds: set[str]) -> dict[int, list[Any]]:
    """By cell: the facilities of these kinds that touch it, at least for all cells that the boxes touch."""
    found: dict[int, list[Any]] = {}
    for start in range(0, len(boxes), BOXES_AT_ONCE):
        for row in session.execute(_about(boxes[start : start + BOXES_AT_ONCE], kinds)):
            for cell in geo.cells_of(row.geometry):
                found.setdefault(cell, []).append(row)
    return found


def _about(boxes: Sequence[geo.Box], kinds: set[str]) -> Select[Any]:
    return select(facilities.c.id, facilities.c.kind, facilities.c.geometry).where(
        facilities.c.id.in_(ids_about(*boxes)),
        facilities.c.kind.in_(kinds),
        facilities.c.condition != Condition.RETIRED.value,
    )


def _nearest(place: tuple[float, float], candidates: Sequence[Any], radius_m: float) -> Link:
    reach = [(metres, each.id) for each in candidates if (metres := geo.metres_from(each.geometry, *place)) <= radius_m]
    return (min(reach)[1], "place") if reach else NO_LINK
