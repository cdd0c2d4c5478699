"""The rates about facilities, each with its numerator, denominator, definition and window.

Numerators and denominators are kept as running sums (tallies): a facility contributes to some of them as it stands, and
a change takes its old contributions away and adds the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from services.assets.domain.catalogue import Catalogue
from services.assets.domain.facilities import IN_SERVICE, Condition
from shared.errors import Invalid

Labels = tuple[str, ...]


class NotKept(Invalid):
    """Rates of that day are not kept."""

    slug = "rates-not-kept"
    zh = "未保存该日的指标"


class Figure(StrEnum):
    """The sums that are kept. ``FACILITIES`` has the labels of a ``Place`` plus the condition, the others a Place's."""

    FACILITIES = "facilities"
    IN_SERVICE = "in_service"  # thousandths of the unit
    DEFECTIVE = "defective"  # thousandths of the unit
    OUT_OF_SERVICE = "out_of_service"  # thousandths of the unit
    LAMPS_CHECKED = "lamps_checked"
    LAMPS_LIT = "lamps_lit"


class Place(NamedTuple):
    """What a sum is kept by. An empty text stands for none."""

    kind: str
    district: str
    grid: str
    maintainer: str


class Standing(Protocol):
    """What of a facility goes into the rates."""

    @property
    def kind(self) -> str: ...
    @property
    def district(self) -> str | None: ...
    @property
    def grid(self) -> str | None: ...
    @property
    def maintainer(self) -> str | None: ...
    @property
    def condition(self) -> str: ...
    @property
    def measure_milli(self) -> int: ...
    @property
    def defective_milli(self) -> int: ...
    @property
    def last_look_lit(self) -> bool | None: ...


Contribution = tuple[Figure, Labels, int]


def contributions(facility: Standing) -> Iterator[Contribution]:
    """What a facility adds to each sum, as it stands."""
    place = Place(facility.kind, facility.district or "", facility.grid or "", facility.maintainer or "")
    yield Figure.FACILITIES, (*place, str(facility.condition)), 1
    if facility.condition in IN_SERVICE:
        yield Figure.IN_SERVICE, place, facility.measure_milli
        yield Figure.DEFECTIVE, place, facility.defective_milli
        if facility.last_look_lit is not None:
            yield Figure.LAMPS_CHECKED, place, 1
            yield Figure.LAMPS_LIT, place, int(facility.last_look_lit)
    elif facility.condition == Condition.OUT_OF_SERVICE:
        yield Figure.OUT_OF_SERVICE, place, facility.measure_milli


class RateName(StrEnum):
    INTACT = "intact"
    LIGHT_ON_SAMPLED = "light_on_sampled"


class By(StrEnum):
    DISTRICT = "district"
    KIND = "kind"
    GRID = "grid"
    MAINTAINER = "maintainer"


DEFINITIONS = {
    "intact": {
        "en": "(quantity in service − quantity under open confirmed defects that break the function) / quantity in "
        "service. A defect of unknown size takes what the catalogue assumes; overlapping defects never take more than "
        "the facility has.",
        "zh": "设施完好率 =（在用数量 − 影响功能的未消除病害数量）/ 在用数量；"
        "未量测的病害按目录假定值计，重叠病害不超过设施总量。",
    },
    "composite": {
        "en": "Weighted mean of the kinds' intact rates, by the weights given; kinds without facilities in "
        "service left out.",
        "zh": "综合完好率 = 各类设施完好率按所列权重的加权平均；无在用设施的类别不计。",
    },
    "light_on_sampled": {
        "en": "Lamps seen lit / lamps looked at: the latest look per lamp in service within the window, within "
        "lighting hours.",
        "zh": "抽查亮灯率 = 亮灯数 / 抽查灯数；取窗口期内、亮灯时段内每盏在用灯的最近一次抽查。",
    },
}


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One figure. ``ratio`` is None without a denominator: no value, neither 0 nor 1."""

    rate: str
    by: str
    key: str
    kind: str | None
    numerator: float
    denominator: float
    unit: str
    definition: Mapping[str, str]
    window_days: int | None = None
    weights: Mapping[str, float] | None = None
    out_of_service: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


Sums = Mapping[Labels, int]
LeftOut = Mapping[tuple[str, str], Mapping[str, Any]]  # by (key of ``by``, kind)


def summed(sums: Sums, by: By) -> dict[tuple[str, str], int]:
    """Sums by (key of ``by``, kind)."""
    totals: dict[tuple[str, str], int] = {}
    for labels, amount in sums.items():
        place = Place(*labels[:4])
        key = getattr(place, by), place.kind
        totals[key] = totals.get(key, 0) + amount
    return totals


def intact_rates(
    by: By,
    catalogue: Catalogue,
    in_service: Sums,
    defective: Sums,
    left_out: LeftOut,
) -> list[Rate]:
    """The intact rate of each kind under each key, then the composite of each key (not by kind: there it is itself)."""
    broken = summed(defective, by)
    whole = summed(in_service, by)
    rates = [
        _intact(by, key, catalogue, whole.get(key, 0), broken.get(key, 0), left_out.get(key, {}))
        for key in sorted({*whole, *left_out})
        if whole.get(key, 0) or left_out.get(key)
    ]
    return rates + (composites(rates, by, catalogue) if by is not By.KIND else [])


def _intact(
    by: By, key: tuple[str, str], catalogue: Catalogue, whole: int, broken: int, left_out: Mapping[str, Any]
) -> Rate:
    name, kind = key
    return Rate(
        rate=RateName.INTACT,
        by=by,
        key=name,
        kind=kind,
        numerator=(whole - broken) / 1000,
        denominator=whole / 1000,
        unit=catalogue.kinds[kind].unit if kind in catalogue.kinds else "",
        definition=DEFINITIONS["intact"],
        out_of_service=left_out,
    )


def composites(rates: Iterable[Rate], by: By, catalogue: Catalogue) -> list[Rate]:
    """The composite intact rate of each key: Σ weight × ratio / Σ weight over the kinds that have a ratio."""
    by_key: dict[str, list[Rate]] = {}
    for rate in rates:
        if rate.ratio is not None and rate.kind in catalogue.kinds:
            by_key.setdefault(rate.key, []).append(rate)
    return [_composite(key, parts, by, catalogue) for key, parts in by_key.items()]


def _composite(key: str, parts: list[Rate], by: By, catalogue: Catalogue) -> Rate:
    weights = {str(part.kind): catalogue.kinds[str(part.kind)].weight for part in parts}
    return Rate(
        rate=RateName.INTACT,
        by=by,
        key=key,
        kind=None,
        numerator=sum(weights[str(part.kind)] * (part.ratio or 0.0) for part in parts),
        denominator=sum(weights.values()),
        unit="weight",
        definition=DEFINITIONS["composite"],
        weights=weights,
        out_of_service={"facilities": sum(part.out_of_service.get("facilities", 0) for part in parts)},
    )


def light_on_rates(by: By, catalogue: Catalogue, checked: Sums, lit: Sums, left_out: LeftOut) -> list[Rate]:
    """The sampled light-on rate of each kind of lamp under each key."""
    seen, burning = summed(checked, by), summed(lit, by)
    return [
        Rate(
            rate=RateName.LIGHT_ON_SAMPLED,
            by=by,
            key=key[0],
            kind=key[1],
            numerator=burning.get(key, 0),
            denominator=count,
            unit="count",
            definition=DEFINITIONS["light_on_sampled"],
            window_days=catalogue.rules.light_on_window_days,
            out_of_service=left_out.get(key, {}),
        )
        for key, count in sorted(seen.items())
        if count
    ]
