"""Areas and units of the city, as far as orders, crews and rules name them: copies of what assets keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.errors import Invalid

DISTRICT = "district"


class UnknownDistrict(Invalid):
    """The city has no such district."""

    slug = "unknown-district"
    zh = "没有此区"


class UnitNotKnown(Invalid):
    """The city has no such unit."""

    slug = "unit-not-known"
    zh = "没有此单位"


@dataclass(eq=False, kw_only=True)
class Area:
    """A part of the city. Its level and its code name it."""

    level: str
    code: str
    name: str
    revision: int


@dataclass(eq=False, kw_only=True)
class Unit:
    """Who owns, is competent for or maintains facilities."""

    code: str
    name: str
    name_zh: str
    roles: list[str] = field(default_factory=list)
    revision: int = 1
