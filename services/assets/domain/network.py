"""Drainage as a network: which manhole a pipe's end meets, which way the water runs, and what lies up and down of it.

A pipe is a kind of group drainage measured in metres; a node is one that is counted, of groups drainage and manholes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from services.assets.domain import geometry as geo
from services.assets.domain.catalogue import Catalogue, Unit
from shared.errors import Invalid
from shared.lists.spelling import spelt_code

DRY = frozenset({"water", "power", "telecom", "gas", "heat"})  # networks whose manholes no drain meets
PIPE_GROUP = "drainage"
NODE_GROUPS = frozenset({"drainage", "manholes"})
LOOK_AROUND_M = 10.0  # how far off the nearest node of a gap is told

Place = tuple[float, float]  # longitude, latitude


class Way(StrEnum):
    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


OPPOSITE = {Way.UPSTREAM: Way.DOWNSTREAM, Way.DOWNSTREAM: Way.UPSTREAM}


class Basis(StrEnum):
    """What says which way the water runs; the first that does."""

    CODES = "codes"
    LEVELS = "levels"
    DRAWN = "drawn"


class NotOfTheNetwork(Invalid):
    """This is neither a pipe nor a node of the drainage network."""

    slug = "not-of-the-network"
    zh = "该设施不属于排水管网"


def pipe_kinds(catalogue: Catalogue) -> set[str]:
    return {slug for slug, kind in catalogue.kinds.items() if kind.group == PIPE_GROUP and kind.unit is Unit.METRE}


def node_kinds(catalogue: Catalogue) -> set[str]:
    return {slug for slug, kind in catalogue.kinds.items() if kind.group in NODE_GROUPS and kind.unit is Unit.COUNT}


@dataclass(frozen=True)
class Node:
    """A manhole, inlet, outfall … ``former``: codes that it has given up, which pipes may still name."""

    id: int
    code: str
    longitude: float
    latitude: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    former: Collection[str] = ()

    @property
    def place(self) -> Place:
        return self.longitude, self.latitude

    @property
    def drains(self) -> bool:
        return self.attributes.get("network") not in DRY

    def is_named(self, name: Any) -> bool:
        """Whether a pipe that names this code means the node; tables give codes of digits as numbers."""
        return name is not None and spelt_code(str(name)) in map(spelt_code, (self.code, *self.former))


@dataclass(frozen=True)
class Pipe:
    id: int
    geometry: geo.Geometry
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[Place, Place]:
        """The first and the last place of its line as drawn."""
        parts = geo.lines(self.geometry) or [list(geo.positions(self.geometry))]
        first, last = parts[0][0], parts[-1][-1]
        return (first[0], first[1]), (last[0], last[1])


class End(NamedTuple):
    """An end of a pipe. ``node_id`` is None at a gap; ``distance_m`` is that of the nearest node, None if none is."""

    pipe_id: int
    way: Way
    node_id: int | None
    distance_m: float | None
    longitude: float
    latitude: float
    basis: Basis


def ends_of(pipe: Pipe, nodes: Iterable[Node], tolerance_m: float) -> list[End]:
    """Both ends of a pipe, the upper one first, each with the nearest draining node within the tolerance."""
    draining = [each for each in nodes if each.drains]
    met = [_nearest(place, draining, tolerance_m) for place in pipe.ends]
    turned, basis = runs_backwards(pipe.attributes, met[0][0], met[1][0])
    order = (1, 0) if turned else (0, 1)
    return [_end(pipe, way, *met[index], pipe.ends[index], basis) for way, index in zip(Way, order, strict=True)]


def _end(pipe: Pipe, way: Way, node: Node | None, distance_m: float | None, place: Place, basis: Basis) -> End:
    return End(pipe.id, way, node.id if node else None, distance_m, *place, basis)


def _nearest(place: Place, nodes: Sequence[Node], tolerance_m: float) -> tuple[Node | None, float | None]:
    reach = [(geo.metres_between(place, (each.longitude, each.latitude)), each.code, each) for each in nodes]
    if not reach:
        return None, None
    metres, _, node = min(reach, key=lambda each: each[:2])
    if metres > max(tolerance_m, LOOK_AROUND_M):
        return None, None
    return (node if metres <= tolerance_m else None), round(metres, 3)


def runs_backwards(attributes: Mapping[str, Any], first: Node | None, last: Node | None) -> tuple[bool, Basis]:
    """Whether water runs from the last place drawn to the first, and what says so.

    The codes that the pipe names (``from``, ``to``) come first, then levels: its own, else the bottoms of its nodes;
    without any of them it runs as it was drawn.
    """
    names, drawn = (attributes.get("from"), attributes.get("to")), (first, last)
    if any(node and node.is_named(name) for name, node in zip(names, drawn, strict=True)):
        return False, Basis.CODES
    if any(node and node.is_named(name) for name, node in zip(names, reversed(drawn), strict=True)):
        return True, Basis.CODES
    for upper, lower in ((_level(attributes, "upper_level_m"), _level(attributes, "lower_level_m")),
                         (_bottom(first), _bottom(last))):  # fmt: skip
        if upper is not None and lower is not None and upper != lower:
            return upper < lower, Basis.LEVELS
    return False, Basis.DRAWN


def _bottom(node: Node | None) -> float | None:
    return _level(node.attributes, "bottom_level_m") if node else None


def _level(attributes: Mapping[str, Any], name: str) -> float | None:
    level = attributes.get(name)
    return float(level) if isinstance(level, int | float) and not isinstance(level, bool) else None


class Link(NamedTuple):
    """A pipe as seen on a walk: from the node that was reached to the one behind it, which a gap hides."""

    pipe_id: int
    beyond: int | None


class Step(NamedTuple):
    """A facility that a walk came by, ``step`` pipes from where it began."""

    facility_id: int
    step: int
    is_pipe: bool


def alone(_: Collection[int]) -> Collection[int]:
    """No node stands beside another one."""
    return ()


def walk(
    nodes: Iterable[int],
    links_from: Callable[[Sequence[int]], Mapping[int, Sequence[Link]]],
    most_steps: int,
    *,
    passed: Iterable[int] = (),
    beside: Callable[[Collection[int]], Collection[int]] = alone,
) -> Iterator[Step]:
    """Every pipe and node beyond some nodes, nearest first, each once: a ring ends where it began.

    ``links_from`` gives, for nodes, the pipes that lead on from each. ``passed``: pipes that the walk came from.
    ``beside``: for nodes, those that stand in the same place, so that water goes on from there as well.
    """
    begin = set(nodes)
    frontier = sorted(_with_those_beside(begin, begin, beside))
    yield from (Step(node, 0, False) for node in frontier if node not in begin)
    seen_nodes, seen_pipes = set(frontier), set(passed)
    for step in range(1, most_steps + 1):
        leading = links_from(frontier)
        links = [link for node in frontier for link in leading.get(node, ())]
        fresh = {link.pipe_id: link.beyond for link in links if link.pipe_id not in seen_pipes}
        seen_pipes |= fresh.keys()
        yield from (Step(pipe, step, True) for pipe in fresh)
        reached = {node for node in fresh.values() if node is not None} - seen_nodes
        frontier = sorted(_with_those_beside(reached, seen_nodes | reached, beside))
        seen_nodes |= set(frontier)
        yield from (Step(node, step, False) for node in frontier)
        if not frontier:
            return


def _with_those_beside(
    nodes: Collection[int], seen: Collection[int], beside: Callable[[Collection[int]], Collection[int]]
) -> set[int]:
    """Nodes, those beside them, and those beside these, as far as they were not seen yet."""
    found, edge = set(nodes), set(nodes)
    while edge:
        edge = set(beside(edge)) - found - set(seen)
        found |= edge
    return found
