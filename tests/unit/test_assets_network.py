"""Drainage as a network: which manholes pipes meet, which way water runs, and walks that end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assets.domain.network import Basis, Link, Node, Pipe, Way, ends_of, runs_backwards, walk

DATA = Path(__file__).parents[1] / "data"
METRE = 1 / 111_195  # degrees of latitude
LINE = {"type": "LineString", "coordinates": [[24.9, 60.0], [24.9, 60.001]]}


def node(number: int, north_m: float = 0, *, former: Sequence[str] = (), **attributes: Any) -> Node:
    return Node(number, f"M-{number}", 24.9, 60.0 + north_m * METRE, attributes, former)


def test_an_end_meets_the_nearest_draining_node_within_the_tolerance() -> None:
    nodes = [node(1, -0.9), node(2, -0.5), node(3, 0.1, network="gas"), node(4, 111.195 + 1.4)]
    upper, lower = ends_of(Pipe(9, LINE), nodes, tolerance_m=1.0)
    assert (upper.way, upper.node_id, upper.distance_m) == (Way.UPSTREAM, 2, 0.5)
    assert (lower.way, lower.node_id) == (Way.DOWNSTREAM, None)
    assert lower.distance_m == pytest.approx(1.4, abs=0.01)
    alone = ends_of(Pipe(9, LINE), [], tolerance_m=1.0)
    assert [(each.node_id, each.distance_m) for each in alone] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("attributes", "first", "last", "backwards", "basis"),
    [
        ({}, {}, {}, False, Basis.DRAWN),
        ({"from": "M-2"}, {}, {}, True, Basis.CODES),
        ({"from": "B-2", "to": "A-1"}, {"former": ["A-1"]}, {"former": ["B-1", "B-2"]}, True, Basis.CODES),
        ({"to": 7}, {"former": ["7"]}, {}, True, Basis.CODES),
        ({"to": "M-2", "upper_level_m": 1.0, "lower_level_m": 2.0}, {}, {}, False, Basis.CODES),
        ({"from": "elsewhere", "upper_level_m": 1.0, "lower_level_m": 2.0}, {}, {}, True, Basis.LEVELS),
        ({}, {"bottom_level_m": 7}, {"bottom_level_m": 6.5}, False, Basis.LEVELS),
        ({"upper_level_m": 3}, {"bottom_level_m": 5}, {"bottom_level_m": 6}, True, Basis.LEVELS),
        ({"upper_level_m": 3, "lower_level_m": 3}, {}, {"bottom_level_m": 6}, False, Basis.DRAWN),
    ],
)
def test_codes_say_which_way_water_runs_else_levels_else_the_drawing(
    attributes: dict[str, Any], first: dict[str, Any], last: dict[str, Any], backwards: bool, basis: Basis
) -> None:
    assert runs_backwards(attributes, node(1, **first), node(2, **last)) == (backwards, basis)
    ends = ends_of(Pipe(9, LINE, attributes), [node(1, **first), node(2, 111.195, **last)], tolerance_m=1.0)
    assert [each.node_id for each in ends] == ([2, 1] if backwards else [1, 2])


Graph = Mapping[int, Sequence[Link]]
GRAPHS = st.lists(st.tuples(st.integers(0, 8), st.one_of(st.none(), st.integers(0, 8))), max_size=30)


def graph_of(pipes: Sequence[tuple[int, int | None]]) -> Graph:
    return {n: [Link(i, to) for i, (near, to) in enumerate(pipes) if near == n] for n in range(9)}


def links_in(graph: Graph, nodes: Sequence[int]) -> Graph:
    return {each: graph[each] for each in nodes}


@given(GRAPHS, st.integers(1, 12))
def test_a_walk_ends_and_comes_by_everything_once_rings_or_not(pipes: list[tuple[int, int | None]], most: int) -> None:
    steps = list(walk([0], lambda nodes: links_in(graph_of(pipes), nodes), most))
    met = [(each.is_pipe, each.facility_id) for each in steps]
    assert len(met) == len(set(met))
    assert (False, 0) not in met
    assert [each.step for each in steps] == sorted(each.step for each in steps)
    reached = {0}
    for _ in range(most):
        reached |= {to for near, to in pipes if near in reached and to is not None}
    assert {n for is_pipe, n in met if not is_pipe} == reached - {0}


@pytest.mark.parametrize(("town", "ends", "met"), [("Barre", 2240, 2188), ("Montpelier", 2266, 1885)])
def test_the_pipes_of_two_towns_meet_their_manholes(town: str, ends: int, met: int) -> None:
    """98 % and 83 % within one metre."""
    points, lines = (
        json.loads((DATA / f"vt_{town}_{what}Features.geojson").read_text())["features"] for what in ("Point", "Linear")
    )
    by_place: dict[tuple[int, int], list[Node]] = {}
    for number, each in enumerate(points):
        longitude, latitude = each["geometry"]["coordinates"][:2]
        about = by_place.setdefault((int(longitude * 1_000), int(latitude * 1_000)), [])
        about.append(Node(number, str(number), longitude, latitude))
    pipes = [Pipe(number, each["geometry"]) for number, each in enumerate(lines)]
    found = [end for pipe in pipes for end in ends_of(pipe, _about(pipe, by_place), tolerance_m=1.0)]
    assert (len(found), sum(end.node_id is not None for end in found)) == (ends, met)


def _about(pipe: Pipe, by_place: Mapping[tuple[int, int], list[Node]]) -> list[Node]:
    squares = {
        (int(x * 1_000) + east, int(y * 1_000) + north)
        for x, y in pipe.ends
        for east in (-1, 0, 1)
        for north in (-1, 0, 1)
    }  # fmt: skip
    return [node for square in squares for node in by_place.get(square, ())]
