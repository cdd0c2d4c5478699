"""The rates about facilities, each with its numerator, denominator, definition and window.

Numerators and denominators come from the sums of sums.py, as they stand or as they were on a past day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus, urlencode

from services.assets.domain.catalogue import Catalogue
from services.assets.domain.facilities import Condition
from services.assets.domain.sums import Dimension, Figure
from shared.errors import Invalid


class DayToCome(Invalid):
    """That day has not come yet."""

    slug = "day-to-come"
    zh = "该日尚未到来"


class RateName(StrEnum):
    INTACT = "intact"
    LIGHT_ON_SAMPLED = "light_on_sampled"
    LIGHT_ON_METERED = "light_on_metered"
    LED_SHARE = "led_share"


class By(StrEnum):
    """What rates are grouped by: a dimension of the sums, or the kind alone."""

    KIND = "kind"
    DISTRICT = Dimension.DISTRICT
    STREET = Dimension.STREET
    COMMUNITY = Dimension.COMMUNITY
    LARGE_GRID = Dimension.LARGE_GRID
    GRID = Dimension.GRID
    OWNER = Dimension.OWNER
    AUTHORITY = Dimension.AUTHORITY
    MAINTAINER = Dimension.MAINTAINER


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
    "led_share": {
        "en": "LED lamps in service / lamps in service whose light source is known. Beside it the installed power of "
        "the lamps in service, as far as it is known.",
        "zh": "LED 灯占比 = 在用 LED 灯数 / 光源已知的在用灯数；并列在用灯的已知装机功率。",
    },
}


Key = tuple[str, str]  # key of ``by``, kind
Totals = Mapping[str, Mapping[Key, int]]  # by figure
Asked = Mapping[str, str]  # a query for facilities: field → value


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One figure. ``ratio`` is None without a denominator: no value, neither 0 nor 1.

    ``out_of_service``, ``lamps_unknown`` and ``estimated`` stand beside it, so that nothing polishes it unseen.
    ``facilities``: addresses of those behind the denominator (counted), and of those that the numerator lacks.
    """

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
    target: float | None = None
    out_of_service: Mapping[str, Any] = field(default_factory=dict)
    lamps_unknown: int | None = None
    minutes_unknown: float | None = None
    estimated: float | None = None
    dark_allowed: int | None = None
    power_w: float | None = None
    lamps_of_unknown_power: int | None = None
    facilities: Mapping[str, str] | None = None

    @property
    def ratio(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


LeftOut = Mapping[Key, Mapping[str, Any]]
FACILITIES = "/api/v1/facilities"
SERVES = f"condition={Condition.INTACT},{Condition.DEFECTIVE}"


@dataclass(frozen=True)
class Board:
    """All that the rates of one question are reckoned from. ``asked``: what the facilities behind them share."""

    by: By
    catalogue: Catalogue
    totals: Totals
    left_out: LeftOut
    asked: Asked = field(default_factory=dict)

    def of(self, figure: Figure) -> Mapping[Key, int]:
        return self.totals.get(figure, {})

    @cached_property
    def _address(self) -> str:
        return f"{FACILITIES}?{urlencode(self.asked)}{'&' if self.asked else ''}"

    def behind(self, key: Key, *, counted: str, lacking: str) -> dict[str, str]:
        """The addresses of the facilities of one key; ``counted``, ``lacking``: what they have beside it."""
        own = "" if self.by is By.KIND else f"{self.by}={quote_plus(key[0])}&"
        address = f"{self._address}{own}kind={quote_plus(key[1])}"
        return {"counted": f"{address}&{counted}", "lacking": f"{address}&{lacking}"}


def intact_rates(board: Board) -> list[Rate]:
    """The intact rate of each kind under each key, then the composite of each key."""
    whole = board.of(Figure.IN_SERVICE)
    keys = sorted(key for key in {*whole, *board.left_out} if whole.get(key) or board.left_out.get(key))
    rates = [_intact(board, key) for key in keys]
    return rates + _composites(board, rates)


def _intact(board: Board, key: Key) -> Rate:
    whole, broken = board.of(Figure.IN_SERVICE).get(key, 0), board.of(Figure.DEFECTIVE).get(key, 0)
    kind = board.catalogue.kinds.get(key[1])
    return Rate(
        rate=RateName.INTACT,
        by=board.by,
        key=key[0],
        kind=key[1],
        numerator=(whole - broken) / 1000,
        denominator=whole / 1000,
        unit=kind.unit if kind else "",
        definition=DEFINITIONS["intact"],
        target=kind.target_intact if kind else None,
        out_of_service=board.left_out.get(key, {}),
        estimated=board.of(Figure.ESTIMATED).get(key, 0) / 1000,
        facilities=board.behind(key, counted=SERVES, lacking=f"condition={Condition.DEFECTIVE}"),
    )


def _composites(board: Board, rates: Iterable[Rate]) -> list[Rate]:
    """Of each key, or by kind of all: Σ weight × ratio / Σ weight over the kinds that have a ratio."""
    by_key: dict[str, list[Rate]] = {}
    for rate in rates:
        if rate.ratio is not None and rate.kind in board.catalogue.kinds:
            by_key.setdefault("" if board.by is By.KIND else rate.key, []).append(rate)
    return [_composite(board, key, parts) for key, parts in by_key.items()]


def _composite(board: Board, key: str, parts: list[Rate]) -> Rate:
    weights = {str(part.kind): board.catalogue.kinds[str(part.kind)].weight for part in parts}
    return Rate(
        rate=RateName.INTACT,
        by=board.by,
        key=key,
        kind=None,
        numerator=sum(weights[str(part.kind)] * (part.ratio or 0.0) for part in parts),
        denominator=sum(weights.values()),
        unit="weight",
        definition=DEFINITIONS["composite"],
        weights=weights,
        out_of_service={"facilities": sum(part.out_of_service.get("facilities", 0) for part in parts)},
    )


def light_on_rates(board: Board) -> list[Rate]:
    """The sampled light-on rate of each kind of lamp under each key; judged by the count of dark lamps where few."""
    lit, lamps = board.of(Figure.LAMPS_LIT), board.of(Figure.LAMPS)
    return [
        Rate(
            rate=RateName.LIGHT_ON_SAMPLED,
            by=board.by,
            key=key[0],
            kind=key[1],
            numerator=lit.get(key, 0),
            denominator=seen,
            unit="count",
            definition=DEFINITIONS["light_on_sampled"],
            window_days=board.catalogue.rules.light_on_window_days,
            out_of_service=board.left_out.get(key, {}),
            target=board.catalogue.kinds[key[1]].target_light_on if key[1] in board.catalogue.kinds else None,
            lamps_unknown=lamps.get(key, 0) - seen,
            dark_allowed=dark_allowed(seen, board.catalogue) if board.by is By.STREET and key[0] else None,
            facilities=board.behind(key, counted=f"{SERVES}&last_look=lit,dark", lacking=f"{SERVES}&last_look=dark"),
        )
        for key, seen in sorted(board.of(Figure.LAMPS_CHECKED).items())
        if seen
    ]


def dark_allowed(seen: int, catalogue: Catalogue) -> int | None:
    """How many of a road's lamps may be dark when so many were looked at; None where the ratio alone judges it."""
    return next((allowed for lamps, allowed in catalogue.rules.dark_lamps if seen <= lamps), None)


def led_shares(board: Board) -> list[Rate]:
    """LED lamps / lamps in service of which the light source is known, and their installed power."""
    led, unknown = board.of(Figure.LAMPS_LED), board.of(Figure.LAMPS_OF_UNKNOWN_LIGHT)
    power, without = board.of(Figure.POWER), board.of(Figure.LAMPS_OF_UNKNOWN_POWER)
    return [
        Rate(
            rate=RateName.LED_SHARE,
            by=board.by,
            key=key[0],
            kind=key[1],
            numerator=led.get(key, 0),
            denominator=lamps - unknown.get(key, 0),
            unit="count",
            definition=DEFINITIONS["led_share"],
            out_of_service=board.left_out.get(key, {}),
            lamps_unknown=unknown.get(key, 0),
            power_w=power.get(key, 0) / 1000,
            lamps_of_unknown_power=without.get(key, 0),
            facilities=board.behind(
                key, counted=f"{SERVES}&light_source=led,other", lacking=f"{SERVES}&light_source=other"
            ),
        )
        for key, lamps in sorted(board.of(Figure.LAMPS).items())
        if lamps
    ]


RECKONED: Mapping[RateName, Callable[[Board], list[Rate]]] = {
    RateName.INTACT: intact_rates,
    RateName.LIGHT_ON_SAMPLED: light_on_rates,
    RateName.LED_SHARE: led_shares,
}
