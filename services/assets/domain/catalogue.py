"""The catalogue: kinds of facilities, defect categories, limits, weights and lighting, read from one file.

The file is ``services/assets/catalogue/catalogue.toml``; its comments explain every key.
Nothing here is decided in code.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

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


class CatalogueError(Exception):
    """The catalogue file cannot be used. Names the line and the key."""


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
    """A kind of facility. Widths are in metres and give a line an area; ``weight`` is its part in the composite."""

    slug: str
    group: str
    unit: Unit
    en: str
    zh: str
    weight: float
    lamp: bool = False
    default_width_m: float | None = None
    width_by_class_m: Mapping[str, float] = field(default_factory=dict)


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
        return plain


@cache
def the_catalogue() -> Catalogue:
    """The catalogue of this city, read once per process."""
    return read_catalogue(FILE.read_text(encoding="utf-8"), FILE.name)


def read_catalogue(text: str, name: str = "catalogue.toml") -> Catalogue:
    """Read and check a catalogue; raises CatalogueError with line and key."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise CatalogueError(f"{name}: {wrong}") from wrong
    top = Section(values, (), text, name)
    groups = {each.name: _group(each) for each in top.sections("groups")}
    kinds = {each.name: _kind(each, groups) for each in top.sections("kinds")}
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


class Section:
    """One table of the file, whose keys are taken one by one, so that a leftover is an unknown key."""

    def __init__(self, values: dict[str, Any], path: tuple[str, ...], text: str, file: str) -> None:
        self.values, self.path, self.text, self.file = values, path, text, file
        self.taken: set[str] = set()

    @property
    def name(self) -> str:
        return self.path[-1]

    def wrong(self, key: str, why: str) -> CatalogueError:
        """The error to raise, with the line that the key stands on (or that of its table)."""
        dotted = ".".join((*self.path, key))
        return CatalogueError(f"{self.file}, line {_line_of(self.text, self.path, key)}: {dotted}: {why}")

    def take(self, key: str, *types: type, default: Any = ...) -> Any:
        self.taken.add(key)
        if key not in self.values:
            if default is ...:
                raise self.wrong(key, "is missing.")
            return default
        value = self.values[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self.wrong(key, f"must be {' or '.join(each.__name__ for each in types)}, not {value!r}.")
        return value

    def text_of(self, key: str) -> str:
        value = str(self.take(key, str)).strip()
        if not value:
            raise self.wrong(key, "is empty.")
        return value

    def number(self, key: str, low: float, high: float, default: Any = ...) -> float:
        value = self.take(key, int, float, default=default)
        if not low <= value <= high:
            raise self.wrong(key, f"must be {low} to {high}, not {value}.")
        return float(value)

    def one_of(self, key: str, allowed: Any, default: Any = ...) -> Any:
        value = self.take(key, str, default=default)
        if value not in list(allowed):
            raise self.wrong(key, f"must be one of {', '.join(allowed)}, not {value!r}.")
        return value

    def some_of(self, key: str, allowed: Any) -> tuple[str, ...]:
        values = self.take(key, list, default=[])
        for value in values:
            if value not in allowed:
                raise self.wrong(key, f"knows no {value!r}; there are {', '.join(allowed)}.")
        return tuple(values)

    def section(self, key: str, default: Any = ...) -> Section:
        return Section(self.take(key, dict, default=default), (*self.path, key), self.text, self.file)

    def sections(self, key: str, default: Any = ...) -> Iterator[Section]:
        inside = self.section(key, default)
        for name in inside.values:
            yield inside.section(name)

    def nothing_else(self) -> None:
        for key in self.values.keys() - self.taken:
            raise self.wrong(key, "is no known key.")


def _line_of(text: str, path: tuple[str, ...], key: str) -> int:
    """The line of a key, or of the table (inline or not) that it should stand in."""
    table, around = ".".join(path), ".".join(path[:-1])
    mine = {table: key} | ({around: path[-1]} if path else {})
    header, at = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[([^\]]+)\]", line):
            header = found[1].strip()
            at = number if header in (table, f"{table}.{key}") else at
        elif header in mine and re.match(rf"\s*{re.escape(mine[header])}\s*=", line):
            return number
    return at


def _whole(section: Section, build: Callable[[Section], T]) -> T:
    built = build(section)
    section.nothing_else()
    return built


def _group(section: Section) -> Group:
    for deeper in ("limits", "limits_by_severity"):
        section.take(deeper, dict, default={})
    return _whole(section, lambda it: Group(slug=it.name, en=it.text_of("en"), zh=it.text_of("zh")))


def _kind(section: Section, groups: Mapping[str, Group]) -> Kind:
    widths = section.section("width_by_class_m", {})
    return _whole(
        section,
        lambda it: Kind(
            slug=it.name,
            group=it.one_of("group", groups),
            unit=Unit(it.one_of("unit", Unit)),
            en=it.text_of("en"),
            zh=it.text_of("zh"),
            weight=it.number("weight", 0, 1000),
            lamp=it.take("lamp", bool, default=False),
            default_width_m=it.number("default_width_m", 0.1, 200) if "default_width_m" in it.values else None,
            width_by_class_m={name: widths.number(name, 0.1, 200) for name in widths.values},
        ),
    )


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
        ),
    )


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
