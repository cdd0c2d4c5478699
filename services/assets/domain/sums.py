"""The sums that the rates and the map are made of, and what a facility adds to each as it stands.

They are kept as running sums (tallies), each by one dimension and kind, so that a rate by any of them reads few rows:
figure ``in_service.street`` has a sum for each (street, kind). A change takes the facility's old contributions away and
adds its new ones.
"""

from __future__ import annotations

from collections import Counter
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


class Alike(NamedTuple):
    """What facilities have in common that add to the same sums."""

    kind: str
    condition: str
    estimated: bool
    light_source: str | None
    powered: bool
    lit: bool | None


Amounts = list[int]  # number, measure, defective, power
Contribution = tuple[str, Labels, int]  # name of the sum, labels, amount


def contributions(parts: Iterable[Part]) -> Iterator[Contribution]:
    """What all of these together add to each sum. Those that are alike are put together first: most are."""
    parts = list(parts)
    yield from _by_tile(parts)
    rows = [(each.standing[1:9], *_alike(each)) for each in parts]
    for place, dimension in enumerate(Dimension):
        heaps: dict[tuple[str | None, Alike], Amounts] = {}
        for where, alike, amounts in rows:
            heap = heaps.setdefault((where[place], alike), [0, 0, 0, 0])
            for number, amount in enumerate(amounts):
                heap[number] += amount
        yield from _by_dimension(dimension, heaps)


def _alike(part: Part) -> tuple[Alike, Amounts]:
    sign, stands = part.sign, part.standing
    alike = Alike(
        stands.kind,
        stands.condition,
        stands.measure_estimated,
        stands.light_source,
        stands.power_milliwatts is not None,
        part.last_look_lit,
    )
    quantities = sign * stands.measure_milli, sign * stands.defective_milli, sign * (stands.power_milliwatts or 0)
    return alike, [sign, *quantities]


def _by_dimension(dimension: Dimension, heaps: Mapping[tuple[str | None, Alike], Amounts]) -> Iterator[Contribution]:
    sums = Counter[tuple[str, Labels]]()
    for (place, alike), heap in heaps.items():
        for (figure, *more), amount in _summands(alike, *heap):
            if figure != Figure.FACILITIES or dimension is Dimension.DISTRICT:
                sums[figure, (place or "", alike.kind, *more)] += amount
    for (figure, labels), amount in sums.items():
        if amount:
            yield f"{figure}.{dimension}", labels, amount


def amounts(standing: Standing, lit: bool | None) -> Iterator[tuple[tuple[str, ...], int]]:
    """What a facility adds, under the figure and what it is split by beside place and kind."""
    alike, heap = _alike(Part(1, standing, lit, 0))
    return _summands(alike, *heap)


def _summands(
    alike: Alike, number: int, measure: int, defective: int, power: int
) -> Iterator[tuple[tuple[str, ...], int]]:
    yield (Figure.FACILITIES, alike.condition), number
    if alike.condition not in IN_SERVICE:
        return
    yield (Figure.IN_SERVICE,), measure
    yield (Figure.DEFECTIVE,), defective
    if alike.estimated:
        yield (Figure.ESTIMATED,), measure
    if alike.light_source is not None:
        yield from _of_lamps(alike, number, power)
    if alike.lit is not None:
        yield (Figure.LAMPS_CHECKED,), number
        yield (Figure.LAMPS_LIT,), number if alike.lit else 0


def _of_lamps(alike: Alike, number: int, power: int) -> Iterator[tuple[tuple[str, ...], int]]:
    yield (Figure.LAMPS,), number
    yield (Figure.LAMPS_LED,), number if alike.light_source == LightSource.LED else 0
    yield (Figure.LAMPS_OF_UNKNOWN_LIGHT,), number if alike.light_source == LightSource.UNKNOWN else 0
    yield (Figure.LAMPS_OF_UNKNOWN_POWER,), 0 if alike.powered else number
    yield (Figure.POWER,), power


def _by_tile(parts: Iterable[Part]) -> Iterator[Contribution]:
    """The map counts what is not retired, where its anchor lies."""
    sums = Counter[tuple[str, str, str]]()
    for sign, standing, _, quadkey in parts:
        if standing.condition != Condition.RETIRED:
            sums[tiles.text_of(quadkey, tiles.LEVELS[-1]), standing.kind, standing.condition] += sign
    for (tile, *more), amount in sums.items():
        for level in tiles.LEVELS if amount else ():
            yield tiles.figure(level), (tile[:level], *more), amount
