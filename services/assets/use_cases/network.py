"""Keeping drainage a network: which node each end of a pipe meets, brought up to date after pipes or nodes changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import Catalogue, the_catalogue
from services.assets.domain.facilities import Condition
from services.assets.domain.network import LOOK_AROUND_M, Node, Pipe, ends_of, node_kinds, pipe_kinds
from services.assets.queries.codes import former_codes_of
from services.assets.tables import facilities, facility_cells, network_changes, pipe_ends
from services.assets.use_cases.turns import Job, has_turn
from shared.db import insert_new

AT_ONCE = 500  # facilities that changed
PIPES_AT_ONCE = 500  # each asks for some twenty quadkeys, and SQLite takes 32,766 values
HERE = facilities.c.condition != Condition.RETIRED.value


def note_changes(session: Session, ids: Collection[int]) -> None:
    """Remember the pipes and nodes among facilities that were registered, changed or retired, for ``join_pipes``."""
    kinds = pipe_kinds(the_catalogue()) | node_kinds(the_catalogue())
    concerned = select(facilities.c.id).where(facilities.c.id.in_(ids), facilities.c.kind.in_(kinds))
    session.execute(insert(network_changes).from_select(["facility_id"], concerned))


def note_rules(session: Session, before: Catalogue, after: Catalogue) -> None:
    """Remember every pipe whose ends another edition of the catalogue may give to other nodes."""
    rules = [(pipe_kinds(each), node_kinds(each), each.rules.network_tolerance_m) for each in (before, after)]
    if rules[0] != rules[1]:
        concerned = select(facilities.c.id).where(facilities.c.kind.in_(pipe_kinds(before) | pipe_kinds(after)))
        session.execute(insert(network_changes).from_select(["facility_id"], concerned))


def join_pipes(session: Session) -> int:
    """Follow some of what changed since: give the pipes concerned their ends anew. Returns how many changes it took.

    One at a time: of two that join the same pipe, the one that saw less could come last.
    """
    if not has_turn(session, Job.PIPES):
        return 0
    some = select(network_changes.c.id).order_by(network_changes.c.id).limit(AT_ONCE)
    taken = session.execute(
        delete(network_changes).where(network_changes.c.id.in_(some)).returning(network_changes.c.facility_id)
    )
    changed = taken.scalars().all()
    if changed:
        _join(session, _pipes_about(session, set(changed)))
    return len(changed)


def _pipes_about(session: Session, changed: Collection[int]) -> set[int]:
    """The pipes among them, those that met one of them, and those that touch the cells around one of them now."""
    met = select(pipe_ends.c.pipe_id).where(or_(pipe_ends.c.node_id.in_(changed), pipe_ends.c.pipe_id.in_(changed)))
    rows = session.execute(
        select(facilities.c.id, facilities.c.kind, facilities.c.longitude, facilities.c.latitude).where(
            facilities.c.id.in_(changed)
        )
    ).all()
    pipes = {row.id for row in rows if row.kind in pipe_kinds(the_catalogue())}
    places = [(row.longitude, row.latitude) for row in rows if row.id not in pipes]
    cells = {cell for place in places for cell in geo.cells_of_box(geo.box_around(*place, LOOK_AROUND_M))}
    touching = (
        select(facilities.c.id)
        .join(facility_cells, facility_cells.c.facility_id == facilities.c.id)
        .where(facility_cells.c.cell.in_(cells), facilities.c.kind.in_(pipe_kinds(the_catalogue())))
    )
    return pipes | set(session.scalars(met)) | set(session.scalars(touching))


def _join(session: Session, ids: Collection[int]) -> None:
    ordered = sorted(ids)
    for start in range(0, len(ordered), PIPES_AT_ONCE):
        some = ordered[start : start + PIPES_AT_ONCE]
        session.execute(delete(pipe_ends).where(pipe_ends.c.pipe_id.in_(some)))
        insert_new(session, pipe_ends, ends_anew(session, some))


def ends_anew(session: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of ``pipe_ends`` of those of these facilities that are pipes, from where pipes and nodes are now."""
    return _ends(session, _pipes(session, ids))


def _pipes(session: Session, ids: Sequence[int]) -> list[Pipe]:
    columns = facilities.c["id", "geometry", "attributes"]
    kinds = facilities.c.kind.in_(pipe_kinds(the_catalogue()))
    return [Pipe(*row) for row in session.execute(select(*columns).where(facilities.c.id.in_(ids), kinds, HERE))]


def _ends(session: Session, pipes: Sequence[Pipe]) -> list[dict[str, Any]]:
    tolerance_m = the_catalogue().rules.network_tolerance_m
    keys = {each.id: _keys_about(each, max(tolerance_m, LOOK_AROUND_M)) for each in pipes}
    nodes = _nodes(session, set().union(*keys.values()))
    return [
        end._asdict()
        for pipe in pipes
        for end in ends_of(pipe, [node for key in keys[pipe.id] for node in nodes.get(key, ())], tolerance_m)
    ]


def _keys_about(pipe: Pipe, radius_m: float) -> set[int]:
    """The quadkeys that a node about one of its ends can have."""
    boxes = [geo.box_around(*place, radius_m) for place in pipe.ends]
    return {key for box in boxes for first, last in geo.quadkey_ranges(box) for key in range(first, last + 1)}


def _nodes(session: Session, keys: Collection[int]) -> Mapping[int, list[Node]]:
    """By quadkey."""
    columns = facilities.c["id", "code", "longitude", "latitude", "attributes"]
    wanted = facilities.c.quadkey.in_(keys), facilities.c.kind.in_(node_kinds(the_catalogue())), HERE
    rows = session.execute(select(facilities.c.quadkey, *columns).where(*wanted)).all()
    former = former_codes_of(session, [row.id for row in rows])
    found: dict[int, list[Node]] = {}
    for key, *row in rows:
        found.setdefault(key, []).append(Node(*row, *([former[row[0]]] if row[0] in former else [])))
    return found
