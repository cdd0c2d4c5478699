"""The rates about facilities, each with its numerator, denominator, definition and window.

Numerators and denominators come from the sums of sums.py, as they stand or as they were on a past day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

from services.assets.domain.catalogue import Catalogue
from services.assets.domain.facilities import Condition
from services.assets.domain.sums import Dimension, Figure
from shared.errors import Invalid


class DayToCome(Invalid):
    """That day has not come yet."""

    slug = "day-to-come"
    zh = "该日尚未到来"


class DayBeforeRegistry(Invalid):
    """Nothing was registered yet on that day."""

    slug = "day-before-registry"
    zh = "该日早于设施台账的起始日"


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
_quoted = lru_cache(10_000)(quote_plus)  # the same kinds and places a thousand times a page
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
        return self.totals[figure]

    @cached_property
    def _address(self) -> str:
        """All but the key's own part, which nothing else may name once more."""
        shared = {name: value for name, value in self.asked.items() if name not in ("kind", self.by)}
        return f"{FACILITIES}?{urlencode(shared)}{'&' if shared else ''}"

    def behind(self, key: Key, *, counted: str, lacking: str) -> dict[str, str]:
        """The addresses of the facilities of one key; ``counted``, ``lacking``: what they have beside it."""
        own = "" if self.by is By.KIND else f"{self.by}={_quoted(key[0])}&"
        address = f"{self._address}{own}kind={_quoted(key[1])}"
        return {"counted": f"{address}&{counted}", "lacking": f"{address}&{lacking}"}


def _keys_in_service(board: Board) -> list[Key]:
    whole = board.of(Figure.IN_SERVICE)
    return [key for key in {*whole, *board.left_out} if whole.get(key) or board.left_out.get(key)]


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


def _keys_of_composites(board: Board) -> list[Key]:
    whole, kinds = board.of(Figure.IN_SERVICE), board.catalogue.kinds
    places = {"" if board.by is By.KIND else key[0] for key, amount in whole.items() if amount and key[1] in kinds}
    return [(place, "") for place in places]


def _composite(board: Board, key: Key) -> Rate:
    """Σ weight × ratio / Σ weight over the kinds that have a ratio, of one key, or by kind of all."""
    whole, broken = board.of(Figure.IN_SERVICE), board.of(Figure.DEFECTIVE)
    all_parts = {kind: (kind if board.by is By.KIND else key[0], kind) for kind in board.catalogue.kinds}
    parts = {kind: part for kind, part in sorted(all_parts.items()) if whole.get(part)}
    weights = {kind: board.catalogue.kinds[kind].weight for kind in parts}
    return Rate(
        rate=RateName.INTACT,
        by=board.by,
        key=key[0],
        kind=None,
        numerator=sum(weights[kind] * (1 - broken.get(part, 0) / whole[part]) for kind, part in parts.items()),
        denominator=sum(weights.values()),
        unit="weight",
        definition=DEFINITIONS["composite"],
        weights=weights,
        out_of_service={
            "facilities": sum(board.left_out.get(part, {}).get("facilities", 0) for part in all_parts.values())
        },
    )


def _light_on(board: Board, key: Key) -> Rate:
    """The sampled light-on rate of lamps; judged by the count of dark ones where a road has few."""
    seen, kind = board.of(Figure.LAMPS_CHECKED)[key], board.catalogue.kinds.get(key[1])
    return Rate(
        rate=RateName.LIGHT_ON_SAMPLED,
        by=board.by,
        key=key[0],
        kind=key[1],
        numerator=board.of(Figure.LAMPS_LIT).get(key, 0),
        denominator=seen,
        unit="count",
        definition=DEFINITIONS["light_on_sampled"],
        window_days=board.catalogue.rules.light_on_window_days,
        out_of_service=board.left_out.get(key, {}),
        target=kind.target_light_on if kind else None,
        lamps_unknown=board.of(Figure.LAMPS).get(key, 0) - seen,
        dark_allowed=dark_allowed(seen, board.catalogue) if board.by is By.STREET and key[0] else None,
        facilities=board.behind(key, counted=f"{SERVES}&last_look=lit,dark", lacking=f"{SERVES}&last_look=dark"),
    )


def dark_allowed(seen: int, catalogue: Catalogue) -> int | None:
    """How many of a road's lamps may be dark when so many were looked at; None where the ratio alone judges it."""
    return next((allowed for lamps, allowed in catalogue.rules.dark_lamps if seen <= lamps), None)


def _led_share(board: Board, key: Key) -> Rate:
    """LED lamps / lamps in service of which the light source is known, and their installed power."""
    unknown = board.of(Figure.LAMPS_OF_UNKNOWN_LIGHT).get(key, 0)
    return Rate(
        rate=RateName.LED_SHARE,
        by=board.by,
        key=key[0],
        kind=key[1],
        numerator=board.of(Figure.LAMPS_LED).get(key, 0),
        denominator=board.of(Figure.LAMPS)[key] - unknown,
        unit="count",
        definition=DEFINITIONS["led_share"],
        out_of_service=board.left_out.get(key, {}),
        lamps_unknown=unknown,
        power_w=board.of(Figure.POWER).get(key, 0) / 1000,
        lamps_of_unknown_power=board.of(Figure.LAMPS_OF_UNKNOWN_POWER).get(key, 0),
        facilities=board.behind(
            key, counted=f"{SERVES}&light_source=led,other", lacking=f"{SERVES}&light_source=other"
        ),
    )


def _keys_with(figure: Figure) -> Callable[[Board], list[Key]]:
    return lambda board: [key for key, amount in board.of(figure).items() if amount]


class Series(NamedTuple):
    """One rate under many keys: which, and how each is made. A page makes only its own."""

    rate: RateName
    keys: Callable[[Board], list[Key]]
    make: Callable[[Board, Key], Rate]


SERIES = (
    Series(RateName.INTACT, _keys_in_service, _intact),
    Series(RateName.INTACT, _keys_of_composites, _composite),
    Series(RateName.LIGHT_ON_SAMPLED, _keys_with(Figure.LAMPS_CHECKED), _light_on),
    Series(RateName.LED_SHARE, _keys_with(Figure.LAMPS), _led_share),
)
