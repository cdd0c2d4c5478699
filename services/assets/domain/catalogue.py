"""The catalogue: kinds of facilities, defect categories, limits, weights and lighting, read from one file.

The file is ``services/assets/catalogue/catalogue.toml``; its comments explain every key.
Nothing here is decided in code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from services.assets.domain.attributes import Attribute, Type, Value
from services.assets.domain.sections import CatalogueError, Section, read_toml
from shared.errors import Unavailable

T = TypeVar("T")
FILE = Path(__file__).parent.parent / "catalogue" / "catalogue.toml"


class Unit(StrEnum):
    """How a kind is measured."""

    COUNT = "count"
    METRE = "m"
    SQUARE_METRE = "m2"


class Severity(StrEnum):
    NORMAL = "normal"
    SERIOUS = "serious"
    EMERGENCY = "emergency"


class Stage(StrEnum):
    REGISTER = "register"
    DISPATCH = "dispatch"
    DISPOSE = "dispose"
    CHECK = "check"


class ClockKind(StrEnum):
    URGENT_HOUR = "urgent_hour"
    WORK_HOUR = "work_hour"
    WORK_DAY = "work_day"
    NATURAL_DAY = "natural_day"


@dataclass(frozen=True)
class Limit:
    """How long a stage may take, by which clock, and where the figure comes from."""

    amount: float
    clock: str
    source: str


Limits = dict[str, Limit]  # by stage


@dataclass(frozen=True, kw_only=True)
class Group:
    slug: str
    en: str
    zh: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of facility. Widths are in metres and give a line an area; ``weight`` is its part in the composite.

    ``attributes`` are those of its group and its own.
    """

    slug: str
    group: str
    unit: Unit
    en: str
    zh: str
    weight: float
    lamp: bool = False
    target_intact: float | None = None
    target_light_on: float | None = None
    default_width_m: float | None = None
    width_by_class_m: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Category:
    """A kind of defect. ``limits`` holds for its own severity, ``limits_by_severity`` where another one differs."""

    slug: str
    en: str
    zh: str
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    breaks_function: bool = False
    single: bool = False
    severity: Severity = Severity.NORMAL
    severity_fixed: bool = False
    limits: Limits = field(default_factory=dict)
    limits_by_severity: Mapping[str, Limits] = field(default_factory=dict)

    def severity_of(self, reported: str) -> str:
        """An electric leakage is an emergency, whatever was reported."""
        return self.severity if self.severity_fixed else reported


@dataclass(frozen=True, kw_only=True)
class City:
    name: str
    name_zh: str
    language: str
    timezone: str
    bounds: tuple[float, float, float, float]  # west, south, east, north

    def day_of(self, at: datetime) -> date:
        """The city's day at a moment."""
        return at.astimezone(ZoneInfo(self.timezone)).date()

    def end_of(self, day: date) -> datetime:
        """The moment at which a day of the city ends, which is the next one's first."""
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.timezone))


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """Lamps burn from sunset plus, to sunrise minus these minutes."""

    longitude: float
    latitude: float
    timezone: str
    on_after_sunset_min: float
    off_before_sunrise_min: float


@dataclass(frozen=True, kw_only=True)
class Rules:
    link_radius_m: float
    light_on_window_days: int
    lane_width_m: float
    dark_lamps: tuple[tuple[int, int], ...]  # a road with up to so many lamps looked at, may have so many dark
    lamp_state_holds_min: float
    day_burning_tolerance_min: float
    dark_after_min: float
    lamp_states_kept_days: int
    network_tolerance_m: float


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    city: City
    lighting: Lighting
    rules: Rules
    assumed_quantity: Mapping[Unit, float]
    groups: Mapping[str, Group]
    kinds: Mapping[str, Kind]
    categories: Mapping[str, Category]

    def category(self, slug: str) -> Category:
        """A category; one that the catalogue has lost since counts as a neutral one that fits nothing."""
        return self.categories.get(slug) or Category(slug=slug, en=slug, zh=slug)

    def attributes_of(self, kind: str) -> Mapping[str, Attribute]:
        """What is known of the attributes of a kind; nothing of a kind that there is not."""
        return self.kinds[kind].attributes if kind in self.kinds else {}

    def fits(self, category: Category, kind: str) -> bool:
        """Whether a facility of this kind can have such a defect."""
        return kind in self.kinds and self.kinds[kind].group in category.groups

    def nearest_kinds(self, category: Category) -> set[str]:
        """The kinds among which the nearest facility is looked for; none where a place says nothing."""
        return set(category.kinds) or {slug for slug in self.kinds if self.fits(category, slug)}

    def as_published(self) -> dict[str, Any]:
        """The catalogue as the event ``CataloguePublished`` carries it: plain JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        for things in (plain["groups"], plain["kinds"], plain["categories"]):
            for thing in things.values():
                del thing["slug"]
        for kind in plain["kinds"].values():
            for attribute in kind["attributes"].values():
                del attribute["slug"]
        return plain


class NoCatalogue(Unavailable):
    """The catalogue file is refused and there is no earlier edition yet."""

    slug = "no-catalogue"
    zh = "目录文件无效且无可用版本"


@dataclass
class Running:
    """What this process runs on. ``refused``: why its file is not that. None before anything was read."""

    catalogue: Catalogue | None = None
    revision: int = 0
    refused: CatalogueError | None = None


running = Running()


def the_catalogue() -> Catalogue:
    """The catalogue that this process runs on; the packaged one where nobody chose. Raises NoCatalogue."""
    if running.catalogue is None:
        if running.refused:
            raise NoCatalogue(str(running.refused), retry_after_s=2)
        running.catalogue = read_catalogue(FILE.read_text(encoding="utf-8"), FILE.name)
    return running.catalogue


def read_catalogue(text: str, name: str = "catalogue.toml") -> Catalogue:
    """Read and check a catalogue; raises CatalogueError with line and key."""
    top = read_toml(text, name)
    groups = {each.name: _group(each) for each in top.sections("groups")}
    shared = {each.name: _attributes(each) for each in top.sections("groups")}
    kinds = {each.name: _kind(each, groups, shared) for each in top.sections("kinds")}
    limits = _LimitSources(top)
    catalogue = Catalogue(
        city=_city(top.section("city")),
        lighting=_lighting(top.section("lighting")),
        rules=_rules(top.section("rules")),
        assumed_quantity=_assumed(top.section("assumed_quantity")),
        groups=groups,
        kinds=kinds,
        categories={each.name: _category(each, groups, kinds, limits) for each in top.sections("categories")},
    )
    top.nothing_else()
    return catalogue


def _whole(section: Section, build: Callable[[Section], T]) -> T:
    built = build(section)
    section.nothing_else()
    return built


def _group(section: Section) -> Group:
    for deeper in ("limits", "limits_by_severity", "attributes"):
        section.take(deeper, dict, default={})
    return _whole(section, lambda it: Group(slug=it.name, en=it.text_of("en"), zh=it.text_of("zh")))


def _kind(section: Section, groups: Mapping[str, Group], shared: Mapping[str, Mapping[str, Attribute]]) -> Kind:
    widths = section.section("width_by_class_m", {})
    group = section.one_of("group", groups)
    return _whole(
        section,
        lambda it: Kind(
            slug=it.name,
            group=group,
            unit=Unit(it.one_of("unit", Unit)),
            en=it.text_of("en"),
            zh=it.text_of("zh"),
            weight=it.number("weight", 0, 1000),
            lamp=it.take("lamp", bool, default=False),
            target_intact=_share(it, "target_intact"),
            target_light_on=_share(it, "target_light_on"),
            default_width_m=it.number_if_there("default_width_m", 0.1, 200),
            width_by_class_m={name: widths.number(name, 0.1, 200) for name in widths.values},
            attributes={**shared[group], **_attributes(it)},
        ),
    )


def _attributes(section: Section) -> dict[str, Attribute]:
    return {each.name: _attribute(each) for each in section.sections("attributes", {})}


def _attribute(section: Section) -> Attribute:
    section.take("values", dict, default={})
    made = _whole(
        section,
        lambda it: Attribute(
            slug=it.name,
            en=it.text_of("en"),
            zh=it.text_of("zh"),
            type=Type(it.one_of("type", Type)),
            unit=it.text_of("unit") if "unit" in it.values else None,
            least=it.number_if_there("least", -1e12, 1e12),
            most=it.number_if_there("most", -1e12, 1e12),
            values={name: _value(it.section("values"), name) for name in it.values.get("values", {})},
        ),
    )
    if (made.type is Type.CHOICE) != bool(made.values):
        raise section.wrong("values", "belongs to a choice, and a choice needs it.")
    return made


def _value(section: Section, name: str) -> Value:
    """``[en, zh, further spellings…]``."""
    names = section.take(name, list)
    if len(names) < 2 or not all(isinstance(each, str) and each.strip() for each in names):
        raise section.wrong(name, "must be a list of names: English, Chinese, further spellings.")
    return Value(en=names[0], zh=names[1], also=tuple(names[2:]))


def _share(section: Section, key: str) -> float | None:
    return section.number(key, 0, 1) if key in section.values else None


def _city(section: Section) -> City:
    bounds = section.take("bounds", list)
    if len(bounds) != 4 or not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise section.wrong("bounds", "must be [west, south, east, north].")
    return _whole(
        section,
        lambda it: City(
            name=it.text_of("name"),
            name_zh=it.text_of("name_zh"),
            language=it.text_of("language"),
            timezone=_zone(it),
            bounds=(bounds[0], bounds[1], bounds[2], bounds[3]),
        ),
    )


def _zone(section: Section) -> str:
    name = section.text_of("timezone")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise section.wrong("timezone", f"knows no zone {name!r}.") from None
    return name


def _lighting(section: Section) -> Lighting:
    return _whole(
        section,
        lambda it: Lighting(
            longitude=it.number("longitude", -180, 180),
            latitude=it.number("latitude", -90, 90),
            timezone=_zone(it),
            on_after_sunset_min=it.number("on_after_sunset_min", -180, 180),
            off_before_sunrise_min=it.number("off_before_sunrise_min", -180, 180),
        ),
    )


def _rules(section: Section) -> Rules:
    return _whole(
        section,
        lambda it: Rules(
            link_radius_m=it.number("link_radius_m", 0, 200),
            light_on_window_days=int(it.number("light_on_window_days", 1, 366)),
            lane_width_m=it.number("lane_width_m", 1, 10),
            dark_lamps=_dark_lamps(it),
            lamp_state_holds_min=it.number("lamp_state_holds_min", 1, 1_440),
            day_burning_tolerance_min=it.number("day_burning_tolerance_min", 0, 360),
            dark_after_min=it.number("dark_after_min", 1, 720),
            lamp_states_kept_days=int(it.number("lamp_states_kept_days", 2, 3_660)),
            network_tolerance_m=it.number("network_tolerance_m", 0, 20, default=1.0),
        ),
    )


def _dark_lamps(section: Section) -> tuple[tuple[int, int], ...]:
    steps = section.take("dark_lamps", list, default=[])
    for step in steps:
        if not isinstance(step, list) or len(step) != 2 or not all(type(each) is int and each >= 0 for each in step):
            raise section.wrong("dark_lamps", "must list [lamps looked at, dark lamps allowed] in whole numbers.")
    return tuple(sorted((lamps, allowed) for lamps, allowed in steps))


def _assumed(section: Section) -> dict[Unit, float]:
    return _whole(section, lambda it: {unit: it.number(unit, 0.001, 1000) for unit in Unit})


def _category(
    section: Section, groups: Mapping[str, Group], kinds: Mapping[str, Kind], limits: _LimitSources
) -> Category:
    fitting = section.some_of("groups", groups)
    severity = Severity(section.one_of("severity", Severity))
    resolved = limits.for_category(section, fitting[0] if fitting else None)
    own = resolved[severity]
    return _whole(
        section,
        lambda it: Category(
            slug=it.name,
            en=it.text_of("en"),
            zh=it.text_of("zh"),
            groups=fitting,
            kinds=it.some_of("kinds", [slug for slug, kind in kinds.items() if kind.group in fitting]),
            breaks_function=it.take("breaks_function", bool, default=False),
            single=it.take("single", bool, default=False),
            severity=severity,
            severity_fixed=it.take("severity_fixed", bool, default=False),
            limits=own,
            limits_by_severity={
                other: different
                for other, theirs in resolved.items()
                if (different := {stage: limit for stage, limit in theirs.items() if own[stage] != limit})
            },
        ),
    )


class _LimitSources:
    """Limits come from the category, else its group, else the general ones; each may differ by severity."""

    def __init__(self, top: Section) -> None:
        self.general = _limits_in(top)
        for stage in Stage:
            if stage not in self.general[None]:
                raise top.section("limits").wrong(stage, "is missing.")
        self.by_group = {each.name: _limits_in(each) for each in top.sections("groups")}

    def for_category(self, section: Section, group: str | None) -> dict[Severity, Limits]:
        own = _limits_in(section)
        levels = [self.general, *([self.by_group[group]] if group else []), own]
        resolved: dict[Severity, Limits] = {}
        for severity in Severity:
            resolved[severity] = {}
            for level in levels:
                resolved[severity] |= level[None] | level.get(severity, {})
        return resolved


def _limits_in(section: Section) -> dict[Severity | None, Limits]:
    """The limits of one level: under None the plain ones, under a severity what differs for it."""
    found: dict[Severity | None, Limits] = {None: _stages(section.section("limits", {}))}
    by_severity = section.section("limits_by_severity", {})
    for severity in Severity:
        found[severity] = _stages(by_severity.section(severity, {}))
    by_severity.nothing_else()
    return found


def _stages(section: Section) -> Limits:
    found = {stage.value: _limit(section.section(stage)) for stage in Stage if stage in section.values}
    section.nothing_else()
    return found


def _limit(section: Section) -> Limit:
    return _whole(
        section,
        lambda it: Limit(
            amount=it.number("amount", 0.01, 10_000), clock=it.one_of("clock", ClockKind), source=it.text_of("source")
        ),
    )
