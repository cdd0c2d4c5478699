"""The sums that the rates and the map are made of, and what a facility adds to each as it stands.

They are kept as running sums (tallies), each by one dimension and kind, so that a rate by any of them reads few rows:
figure ``in_service.street`` has a sum for each (street, kind). A change takes the facility's old contributions away and
adds its new ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from services.assets.domain import tiles
from services.assets.domain.facilities import IN_SERVICE, Condition, LightSource
from services.assets.domain.standings import Standing

Labels = tuple[str, ...]
Sums = Mapping[Labels, int]


class Dimension(StrEnum):
    """What sums are kept by, beside the kind: the fields two to nine of a standing, in their order."""

    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    LARGE_GRID = "large_grid"
    GRID = "grid"
    OWNER = "owner"
    AUTHORITY = "authority"
    MAINTAINER = "maintainer"


class Figure(StrEnum):
    """What is summed up; all but ``FACILITIES`` over facilities in service."""

    FACILITIES = "facilities"  # by condition, and by district only
    IN_SERVICE = "in_service"  # thousandths of the unit
    DEFECTIVE = "defective"  # thousandths of the unit
    ESTIMATED = "estimated"  # thousandths of the unit: what of the quantity in service is estimated
    LAMPS = "lamps"
    LAMPS_LED = "lamps_led"
    LAMPS_OF_UNKNOWN_LIGHT = "lamps_of_unknown_light"
    LAMPS_OF_UNKNOWN_POWER = "lamps_of_unknown_power"
    POWER = "power"  # thousandths of a watt
    LAMPS_CHECKED = "lamps_checked"
    LAMPS_LIT = "lamps_lit"


def name_of(figure: Figure, dimension: Dimension) -> str:
    """The name that a sum is kept under."""
    return f"{figure}.{dimension}"


def kept_names() -> list[str]:
    """Every sum that is kept."""
    by_dimension = [name_of(figure, each) for figure in Figure for each in _dimensions_of(figure)]
    return by_dimension + [tiles.figure(level) for level in tiles.LEVELS]


def _dimensions_of(figure: str) -> Iterable[Dimension]:
    return (Dimension.DISTRICT,) if figure == Figure.FACILITIES else Dimension


class Part(NamedTuple):
    """A facility that is put into the sums (``sign`` 1) or taken out of them (−1)."""

    sign: int
    standing: Standing
    last_look_lit: bool | None
    quadkey: int


Contribution = tuple[str, Labels, int]  # name of the sum, labels, amount


def contributions(parts: Iterable[Part]) -> Iterator[Contribution]:
    """What all of these together add to each sum. Those that stand alike are put together first: most do."""
    parts = list(parts)
    yield from _by_tile(parts)
    alike = Counter[tuple[Standing, bool | None]]()
    for sign, standing, lit, _ in parts:
        alike[standing, lit] += sign
    at_place: defaultdict[tuple[str | None, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (standing, lit), times in alike.items():
        here = at_place[standing[:9]]
        for key, amount in amounts(standing, lit):
            here[key] += times * amount
    for (kind, *places), sums in at_place.items():
        yield from _by_dimension(kind or "", dict(zip(Dimension, places, strict=True)), sums)


def _by_dimension(
    kind: str, where: Mapping[Dimension, str | None], sums: Mapping[tuple[str, ...], int]
) -> Iterator[Contribution]:
    for (figure, *more), amount in sums.items():
        for each in _dimensions_of(figure) if amount else ():
            yield f"{figure}.{each}", (where[each] or "", kind, *more), amount


def amounts(standing: Standing, lit: bool | None) -> Iterator[tuple[tuple[str, ...], int]]:
    """What a facility adds, under the figure and what it is split by beside place and kind."""
    yield (Figure.FACILITIES, standing.condition), 1
    if standing.condition not in IN_SERVICE:
        return
    yield (Figure.IN_SERVICE,), standing.measure_milli
    yield (Figure.DEFECTIVE,), standing.defective_milli
    if standing.measure_estimated:
        yield (Figure.ESTIMATED,), standing.measure_milli
    if standing.light_source is not None:
        yield from _of_a_lamp(standing)
    if lit is not None:
        yield (Figure.LAMPS_CHECKED,), 1
        yield (Figure.LAMPS_LIT,), int(lit)


def _of_a_lamp(standing: Standing) -> Iterator[tuple[tuple[str, ...], int]]:
    yield (Figure.LAMPS,), 1
    yield (Figure.LAMPS_LED,), int(standing.light_source == LightSource.LED)
    yield (Figure.LAMPS_OF_UNKNOWN_LIGHT,), int(standing.light_source == LightSource.UNKNOWN)
    yield (Figure.LAMPS_OF_UNKNOWN_POWER,), int(standing.power_milliwatts is None)
    yield (Figure.POWER,), standing.power_milliwatts or 0


def _by_tile(parts: Iterable[Part]) -> Iterator[Contribution]:
    """The map counts what is not retired, where its anchor lies."""
    sums = Counter[tuple[str, str, str]]()
    for sign, standing, _, quadkey in parts:
        if standing.condition != Condition.RETIRED:
            sums[tiles.text_of(quadkey, tiles.LEVELS[-1]), standing.kind, standing.condition] += sign
    for (tile, *more), amount in sums.items():
        for level in tiles.LEVELS if amount else ():
            yield tiles.figure(level), (tile[:level], *more), amount
