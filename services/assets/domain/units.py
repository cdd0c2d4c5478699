"""Units: who owns, is competent for, or maintains facilities."""

from __future__ import annotations

from enum import StrEnum

from shared.errors import Conflict, NotFound


class Role(StrEnum):
    OWNER = "owner"
    AUTHORITY = "authority"
    MAINTAINER = "maintainer"


class UnknownUnit(NotFound):
    """There is no unit with this code."""

    slug = "unknown-unit"
    zh = "没有此编码的单位"


class UnitTaken(Conflict):
    """Another unit has this code already."""

    slug = "unit-taken"
    zh = "单位编码已被使用"
