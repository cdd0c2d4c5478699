"""What somebody can say is wrong: the categories of our copy of the catalogue, by what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.inspections.tables import catalogue_copies

Named = Mapping[str, str]  # in ``en`` and ``zh``
Things = Mapping[str, Mapping[str, Any]]
UNTOLD: dict[str, Any] = {"categories": {"other": {"en": "Other", "zh": "其他"}}}  # until the catalogue is here


@dataclass(frozen=True)
class Group:
    """Categories by their slugs. The ones of no group come without a name."""

    name: Named | None
    categories: Mapping[str, Named]


@dataclass(frozen=True)
class Choices:
    """What the form offers. ``kind``: the facility's, where it is known."""

    city: Named
    kind: Named | None
    groups: list[Group]

    def holds(self, category: str) -> bool:
        return any(category in each.categories for each in self.groups)


def choices(session: Session, kind: str) -> Choices:
    """What our copy of the catalogue offers."""
    return offered_by(session.scalar(select(catalogue_copies.c.catalogue).order_by(catalogue_copies.c.name)), kind)


def offered_by(catalogue: Mapping[str, Any] | None, kind: str) -> Choices:
    """The categories that a facility of a kind can have; all of them where there is no such kind."""
    catalogue = catalogue or UNTOLD
    kinds: Things = catalogue.get("kinds", {})
    city = catalogue.get("city", {})
    return Choices(
        city={"en": city.get("name", ""), "zh": city.get("name_zh", "")},
        kind=_named(kind, kinds[kind]) if kind in kinds else None,
        groups=[each for each in _groups(catalogue, kind if kind in kinds else None) if each.categories],
    )


def _groups(catalogue: Mapping[str, Any], kind: str | None) -> Iterator[Group]:
    groups: Things = catalogue.get("groups", {})
    only = catalogue["kinds"][kind]["group"] if kind else None
    for slug in [only] if only else groups:
        yield Group(_named(slug, groups.get(slug, {})), _categories(catalogue, slug, kind))
    yield Group(None, _categories(catalogue, None, kind))


def _categories(catalogue: Mapping[str, Any], group: str | None, kind: str | None) -> dict[str, Named]:
    """Those of which this is the first group, or, of a kind that is known, any of their groups."""
    categories: Things = catalogue.get("categories", {})
    return {
        slug: _named(slug, each)
        for slug, each in categories.items()
        if group in (each.get("groups") or [None])[: None if kind else 1]
        and (kind is None or kind in (each.get("kinds") or [kind]))
    }


def _named(slug: str, thing: Mapping[str, Any]) -> Named:
    return {language: thing.get(language) or slug for language in ("en", "zh")}
