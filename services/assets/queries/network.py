"""What lies up and down the drainage network, and where pipes end in nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Condition, Facility, UnknownFacility
from services.assets.domain.network import (
    OPPOSITE,
    Link,
    Node,
    NotOfTheNetwork,
    Step,
    Way,
    node_kinds,
    pipe_kinds,
    walk,
)
from services.assets.queries.codes import get_facility
from services.assets.queries.search import nearest
from services.assets.tables import facilities, pipe_ends
from shared.errors import Invalid
from shared.paging import Page, page

MOST_FOUND = 5_000
NODES_AT_ONCE = 200  # each asks for a few ranges of quadkeys
SHOWN = ("id", "code", "kind", "name", "district", "condition", "longitude", "latitude", "measure_milli")


def list_gaps(
    session: Session, *, limit: int, cursor: str | None = None, district: str | None = None, within: float | None = None
) -> Page:
    """Ends of pipes that meet no node, by pipe. ``within``: only those with a node within so many metres."""
    query = (
        select(*pipe_ends.c, facilities.c.code, facilities.c.kind, facilities.c.district)
        .join(facilities, facilities.c.id == pipe_ends.c.pipe_id)
        .where(pipe_ends.c.node_id.is_(None))
    )
    if district is not None:
        query = query.where(facilities.c.district == district)
    if within is not None:
        query = query.where(pipe_ends.c.distance_m <= within)
    return page(session, query, [facilities.c.code, pipe_ends.c.way], limit=limit, cursor=cursor)


def walk_network(
    session: Session,
    *,
    way: Way,
    code: str | None = None,
    near: tuple[float, float, float] | None = None,
    depth: int,
) -> dict[str, Any]:
    """What lies up or down of a pipe or node, nearest first: at most ``depth`` pipes on, at most MOST_FOUND facilities.

    Raises UnknownFacility, NotOfTheNetwork, and Invalid where neither a code nor a place is given.
    """
    start = _start(session, code, near)
    steps = [*_first(session, start, way)]
    nodes = [each.facility_id for each in steps if not each.is_pipe]
    came_from = [each.facility_id for each in steps if each.is_pipe]
    leading, beside = partial(_links, session, way), partial(_beside, session)
    steps += walk(nodes, leading, depth, passed=came_from, beside=beside)
    shown = steps[:MOST_FOUND]
    rows = _rows(session, [each.facility_id for each in shown])
    items = [{**rows[each.facility_id], "step": each.step} for each in shown if each.facility_id in rows]
    pipes = [each for each in items if each["kind"] in pipe_kinds(the_catalogue())]
    return {
        "start": start.code,
        "way": way,
        "pipes": len(pipes),
        "length_m": sum(each["measure_milli"] for each in pipes) / 1000,
        "complete": len(steps) <= MOST_FOUND and (not steps or steps[-1].step < depth),
        "items": items,
    }


def _start(session: Session, code: str | None, near: tuple[float, float, float] | None) -> Facility:
    kinds = pipe_kinds(the_catalogue()) | node_kinds(the_catalogue())
    if code is not None:
        found: Facility | None = get_facility(session, code)
    elif near is not None:
        found = next(iter(nearest(session, {"kind": sorted(kinds)}, near, 1)), None)
    else:
        raise Invalid("Give a code, or a place as near.", field="code")
    if found is None:
        raise UnknownFacility("There is no facility there.")
    if found.kind not in kinds:
        raise NotOfTheNetwork(f"{found.code} is a {found.kind}.", field="code")
    if found.condition == Condition.RETIRED:
        raise NotOfTheNetwork(f"{found.code} is retired.", field="code")
    return found


def _first(session: Session, start: Any, way: Way) -> list[Step]:
    """Where a walk begins: the node itself, or the node at the pipe's end on that side."""
    if start.kind not in pipe_kinds(the_catalogue()):
        return [Step(start.id, 0, False)]
    ends = select(pipe_ends.c.node_id).where(pipe_ends.c.pipe_id == start.id, pipe_ends.c.way == way)
    node = session.scalar(ends)
    return [Step(start.id, 0, True), *([Step(node, 0, False)] if node is not None else [])]


def _beside(session: Session, nodes: Collection[int]) -> set[int]:
    """The draining nodes within the tolerance of some: an end of a pipe there may have met either."""
    ordered = sorted(nodes)
    batches = (ordered[start : start + NODES_AT_ONCE] for start in range(0, len(ordered), NODES_AT_ONCE))
    return {each for some in batches for each in _beside_some(session, some)}


def _beside_some(session: Session, nodes: Sequence[int]) -> Iterator[int]:
    tolerance_m = the_catalogue().rules.network_tolerance_m
    columns = facilities.c["id", "code", "longitude", "latitude", "attributes"]
    known = (Node(*row) for row in session.execute(select(*columns).where(facilities.c.id.in_(nodes))))
    from_here = [each for each in known if each.drains]
    if not from_here:
        return
    boxes = [geo.box_around(*each.place, tolerance_m) for each in from_here]
    stands = facilities.c.kind.in_(node_kinds(the_catalogue())), facilities.c.condition != Condition.RETIRED.value
    keys = {key for box in boxes for first, last in geo.quadkey_ranges(box) for key in range(first, last + 1)}
    about = [Node(*row) for row in session.execute(select(*columns).where(facilities.c.quadkey.in_(keys), *stands))]
    for one, other in product(from_here, filter(attrgetter("drains"), about)):
        north_m = (one.latitude - other.latitude) * geo.DEGREE_M  # most are told apart by that
        if abs(north_m) <= tolerance_m and geo.metres_between(one.place, other.place) <= tolerance_m:
            yield other.id


def _links(session: Session, way: Way, nodes: Sequence[int]) -> Mapping[int, Sequence[Link]]:
    """Downstream of a node are the pipes that have it at their upper end; what lies beyond is at their lower end."""
    near, far = pipe_ends.alias("near"), pipe_ends.alias("far")
    rows = session.execute(
        select(near.c.node_id, near.c.pipe_id, far.c.node_id)
        .join(far, (far.c.pipe_id == near.c.pipe_id) & (far.c.way == way))
        .where(near.c.node_id.in_(nodes), near.c.way == OPPOSITE[way])
        .order_by(near.c.node_id, near.c.pipe_id)
    )
    links: dict[int, list[Link]] = {}
    for node, pipe, beyond in rows:
        links.setdefault(node, []).append(Link(pipe, beyond))
    return links


def _rows(session: Session, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    stands = facilities.c.condition != Condition.RETIRED.value
    found = session.execute(select(*(facilities.c[name] for name in SHOWN)).where(facilities.c.id.in_(ids), stands))
    return {row.id: dict(row._mapping) for row in found}
