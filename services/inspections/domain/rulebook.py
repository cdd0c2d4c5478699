"""What a report is judged by: the catalogue's categories, the sources and how far each is trusted, and the clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from shared.errors import Invalid

SKEW = timedelta(minutes=5)  # how far a reporter's clock may run ahead of ours


class UnknownCategory(Invalid):
    """The catalogue has no such category."""

    slug = "unknown-category"
    zh = "目录中没有该类别"


class UnknownSource(Invalid):
    """Findings do not come from this source."""

    slug = "unknown-source"
    zh = "没有该来源"


class WrongSourceName(Invalid):
    """A source's name is made of small letters, digits and underscores."""

    slug = "wrong-source-name"
    zh = "来源名称只能由小写字母、数字和下划线组成"


class InTheFuture(Invalid):
    """That has not happened yet."""

    slug = "in-the-future"
    zh = "时间晚于当前时间"


class BeforeTheReport(Invalid):
    """Nobody decides on a report before it is there."""

    slug = "before-the-report"
    zh = "处理时间早于上报时间"


class Severity(StrEnum):
    NORMAL = "normal"
    SERIOUS = "serious"
    EMERGENCY = "emergency"


@dataclass(frozen=True, kw_only=True)
class Category:
    """A defect category of the catalogue. A ``single`` one stands on a facility at most once at a time."""

    slug: str
    single: bool
    severity: str = Severity.NORMAL


@dataclass(eq=False, kw_only=True)
class Source:
    """Where findings come from, and how far its word is trusted.

    ``written_by_staff`` says that descriptions may leave this service: what citizens write may name people.
    """

    source: str
    confirm_on_arrival: bool
    written_by_staff: bool
    revision: int = 1


def check_source_name(source: str) -> None:
    """Raises WrongSourceName."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", source):
        raise WrongSourceName(field="source")


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """What a report is judged by: the catalogue's copy (None until the first one came) and the table of sources.

    ``bounds``: west, south, east and north of the city, in degrees; ``zone``: by which its days begin.
    ``names``: of categories and kinds in Chinese, by "category" and "kind", then by slug.
    """

    categories: Mapping[str, Category] | None
    sources: Mapping[str, Source]
    bounds: tuple[float, ...] | None = None
    zone: tzinfo = UTC
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def category(self, slug: str) -> Category:
        """The category; any will do as long as there is no catalogue. Raises UnknownCategory."""
        if self.categories is None:
            return Category(slug=slug, single=slug == DARK_LAMP)
        if slug not in self.categories:
            raise UnknownCategory(f"The catalogue has no category {slug}.", field="category")
        return self.categories[slug]

    def knows(self, slug: str) -> bool:
        """Whether there is such a category; any as long as there is no catalogue."""
        return self.categories is None or slug in self.categories

    def source(self, name: str) -> Source:
        if name not in self.sources:
            raise UnknownSource(f"{name} is none of {', '.join(sorted(self.sources))}.", field="source")
        return self.sources[name]


def read_categories(catalogue: Mapping[str, Any]) -> dict[str, Category]:
    """The categories of a published catalogue, as far as findings need them."""
    return {
        slug: Category(slug=slug, single=bool(each.get("single")), severity=each.get("severity") or Severity.NORMAL)
        for slug, each in catalogue.get("categories", {}).items()
    }


DARK_LAMP = "lamp_out"


def check_time(at: datetime, now: datetime, name: str) -> datetime:
    """``at``, unless it lies further ahead than a clock may be wrong. Raises InTheFuture."""
    if at > now + SKEW:
        raise InTheFuture(f"{at.isoformat()} lies ahead of {now.isoformat()}.", field=name)
    return at


def set_right(at: datetime, after: datetime, now: datetime) -> datetime:
    """The nearest time that a decision can have, where a clock is off by minutes.

    Raises InTheFuture, BeforeTheReport.
    """
    if after - check_time(at, now, "at") > SKEW:
        raise BeforeTheReport(f"{at.isoformat()} is before {after.isoformat()}.", field="at")
    return max(min(at, now), after)
