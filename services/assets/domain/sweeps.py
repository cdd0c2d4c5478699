"""Facilities follow areas that are drawn or changed.

A facility stands in an area because it named it, or because it lies there. Only the latter follow: one whose area is
the one that the old polygons gave it. Whoever named another one keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.assets.domain.areas import Level
from services.assets.domain.division import Codes, Division, Drawn

Before = Mapping[str, Mapping[str, Any] | None]  # code → geometry (text) and parent of an area; None: there was none
Places = tuple[Sequence[float], Sequence[float]]
GRIDS = (Level.GRID, Level.LARGE_GRID)


def levels_of(level: str) -> Sequence[str]:
    """The levels at which facilities may move when an area of this one changes: grid cells lie in large ones."""
    return GRIDS if level in GRIDS else (level,)


def undone(areas: Iterable[Drawn], level: str, changes: Sequence[Before]) -> list[Drawn]:
    """Areas as they were before several changes at a level, the oldest first."""
    present = {(each.level, each.code): each for each in areas}
    for change in reversed(changes):
        for code, before in change.items():
            present.pop((level, code), None)
            if before is not None:
                present[level, code] = Drawn(level, code, before["parent"], before["geometry"])
    return list(present.values())


def moves(level: str, before: Division, after: Division, places: Places, stand: Mapping[str, Codes]) -> Iterator[
    tuple[int, dict[str, str | None]]
]:  # fmt: skip
    """Which of the places move, by their number, and the new code by level. ``stand``: by level, where each stands."""
    old, new = before.of(*places), after.of(*places)
    nowhere: Codes = [None] * len(places[0])
    columns = [(each, stand[each], old.get(each, nowhere), new.get(each, nowhere)) for each in levels_of(level)]
    for number in range(len(places[0])):
        moved = {each: to[number] for each, has, was, to in columns if has[number] == was[number] != to[number]}
        if moved:
            yield number, moved
