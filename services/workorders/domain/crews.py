"""Crews, and the rules that give an order to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

from shared.errors import Invalid


class UnknownCrew(Invalid):
    """There is no such crew."""

    slug = "unknown-crew"
    zh = "没有此班组"


class Sort(NamedTuple):
    """What dispatching looks at in an order."""

    category: str
    group: str | None
    kind: str | None
    district: str | None
    severity: str


@dataclass(eq=False, kw_only=True)
class Crew:
    """Who repairs what, and where. ``kinds`` names kinds or whole groups; empty lists mean all of them."""

    code: str
    name: str
    districts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    revision: int = 1

    def takes(self, order: Sort) -> bool:
        """Whether the order is this crew's by district and kind; an order without a district is nobody's."""
        in_place = order.district is not None and (not self.districts or order.district in self.districts)
        return in_place and (not self.kinds or order.kind in self.kinds or order.group in self.kinds)


@dataclass(eq=False, kw_only=True)
class DispatchRule:
    """Orders that fit all that is filled in go to ``crew``, or, when it is empty, to the crew of the district."""

    id: UUID = field(default_factory=uuid4)
    name: str
    priority: int = 100
    active: bool = True
    category: str | None = None
    group: str | None = None
    kind: str | None = None
    district: str | None = None
    severity: str | None = None
    crew: str | None = None
    revision: int = 1

    def fits(self, order: Sort) -> bool:
        wanted = (
            (self.category, order.category),
            (self.group, order.group),
            (self.kind, order.kind),
            (self.district, order.district),
            (self.severity, order.severity),
        )
        return self.active and all(want is None or want == has for want, has in wanted)


@dataclass(frozen=True)
class Choice:
    """Which crew gets an order, and the name of the rule that said so."""

    crew: str
    rule: str


def choose_crew(order: Sort, rules: Sequence[DispatchRule], crews: Sequence[Crew]) -> Choice | None:
    """What the first rule says, lowest priority number first, that fits and finds a crew.

    Among several crews that take the order, the first by code gets it. ``None``: the order waits for a dispatcher.
    """
    for rule in sorted(rules, key=lambda each: (each.priority, each.name)):
        if rule.fits(order) and (crew := rule.crew or crew_of_district(order, crews)):
            return Choice(crew, rule.name)
    return None


def crew_of_district(order: Sort, crews: Sequence[Crew]) -> str | None:
    return min((crew.code for crew in crews if crew.takes(order)), default=None)
