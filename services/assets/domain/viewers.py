"""Who sees what of a facility's file. The registry is open to all; findings, orders and names are not.

Each list shows what the service that owns it would show to the same person (docs/api.md, Roles).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from services.assets.domain.facilities import Facility
from shared.errors import Forbidden

UNITS = ("owner", "authority", "maintainer")


class BoundToUnit(Forbidden):
    """Who is bound to a unit does not say whose a facility is: that says who sees its orders and findings."""

    slug = "bound-to-unit"
    zh = "限于本单位的账号不能更改设施所属的单位"


class Of(StrEnum):
    """Whose findings, or whose orders."""

    ALL = "all"
    OWN = "own"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Viewer:
    """``name`` owns findings, ``crew`` orders. ``people``: whether they may know who of the staff did what."""

    name: str = ""
    crew: str = ""
    unit: str | None = None
    findings: Of = Of.ALL
    orders: Of = Of.ALL
    people: bool = True

    def before(self, facility: Facility) -> Viewer:
        """What they may see of this facility: of another unit's, what they reported themselves."""
        if self.unit is None or self.unit in (facility.owner, facility.authority, facility.maintainer):
            return self
        return replace(self, findings=min(self.findings, Of.OWN, key=NARROWEST.index), orders=Of.NOBODY, people=False)


EVERYTHING = Viewer()
NARROWEST = (Of.NOBODY, Of.OWN, Of.ALL)
BOUND = {
    "inspector": Viewer(findings=Of.OWN, orders=Of.NOBODY, people=False),
    "crew": Viewer(findings=Of.NOBODY, orders=Of.OWN, people=False),
    "citizen": Viewer(findings=Of.NOBODY, orders=Of.NOBODY, people=False),
}


def viewer(role: str, *, name: str, crew: str | None, unit: str | None) -> Viewer:
    """What somebody of this role may see; ``unit`` binds where the role can be bound by one."""
    return replace(BOUND.get(role, EVERYTHING), name=name, crew=crew or "", unit=unit)
