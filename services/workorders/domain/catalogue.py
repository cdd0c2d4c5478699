"""What the city's catalogue says about a category: its group, and how long each stage may take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from services.workorders.domain.clocks import Clock, Limit
from shared.errors import Invalid


class UnknownCategory(Invalid):
    """The catalogue has no such category."""

    slug = "unknown-category"
    zh = "目录中没有该类别"


class UnknownKind(Invalid):
    """The catalogue has no such kind of facility."""

    slug = "unknown-kind"
    zh = "目录中没有此类设施"


class UnknownGroup(Invalid):
    """The catalogue has no such group of kinds."""

    slug = "unknown-group"
    zh = "目录中没有此组"


@dataclass(eq=False, kw_only=True)
class Catalogue:
    """This service's copy of the published catalogue. ``content`` has the shape of ``CataloguePublished.catalogue``."""

    name: str
    revision: int = 0
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.content.get("lighting", {}).get("timezone", "UTC"))

    @property
    def categories(self) -> set[str]:
        return set(self.content.get("categories", {}))

    @property
    def kinds(self) -> set[str]:
        return set(self.content.get("kinds", {}))

    @property
    def groups(self) -> set[str]:
        listed = [each.get("groups", []) for each in self.content.get("categories", {}).values()]
        return {kind["group"] for kind in self.content.get("kinds", {}).values()}.union(*listed)

    def check(self, **named: str | None) -> None:
        """``category``, ``group`` and ``kind`` are ones of it. One that has not come yet refuses none.

        Raises UnknownCategory, UnknownGroup and UnknownKind.
        """
        for what, (known, refusal) in self._known().items():
            if (code := named.get(what)) is not None and self.content and code not in known:
                raise refusal(f"The catalogue has no {what} {code}.", field=what)

    def check_kinds(self, codes: Iterable[str]) -> None:
        """Each is a kind or a group. Raises UnknownKind."""
        if self.content and (unknown := sorted(set(codes) - self.kinds - self.groups)):
            raise UnknownKind(f"The catalogue has no kind or group {unknown[0]}.", field="kinds")

    def _known(self) -> dict[str, tuple[set[str], type[Invalid]]]:
        return {
            "category": (self.categories, UnknownCategory),
            "group": (self.groups, UnknownGroup),
            "kind": (self.kinds, UnknownKind),
        }

    def group_of(self, category: str, kind: str | None) -> str | None:
        """The kind's group; without a kind the category's, where it has only one."""
        kinds, categories = self.content.get("kinds", {}), self.content.get("categories", {})
        if kind in kinds:
            return str(kinds[kind]["group"])
        groups = categories.get(category, {}).get("groups", [])
        return str(groups[0]) if len(groups) == 1 else None

    def limit_for(self, category: str, severity: str, stage: str) -> Limit | None:
        """The stage's limit: this severity's where it has one of its own, else the category's; ``None`` without any."""
        entry = self.content.get("categories", {}).get(category, {})
        own = entry.get("limits_by_severity", {}).get(severity, {}).get(stage)
        rule = own or entry.get("limits", {}).get(stage)
        if rule is None:
            return None
        name = f"{category}, {severity}" if own else category
        said = f" ({rule['source']})" if "source" in rule else ""
        source = f"catalogue {self.revision}: {name}, {stage}{said}"
        return Limit(float(rule["amount"]), Clock(rule["clock"]), source[:200])

    def dispose_limit(self, category: str, severity: str) -> Limit:
        """The dispose stage's limit. A category that our copy lacks still needs one: a day, and the order says so."""
        return self.limit_for(category, severity, "dispose") or Limit(
            24.0, Clock.URGENT_HOUR, "no rule known: 24 hours"
        )
