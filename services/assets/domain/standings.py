"""What of a facility goes into the rates, and how it was on a past day.

A change replaces one standing by another; the one replaced is kept with the time that we knew it from and to. So there
are two views of a past day: as we knew it at its end, which no later fact changes, and as it happened, which is
replayed from the life of the facility with everything learned since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from services.assets.domain.facilities import Condition, under_defects


class View(StrEnum):
    """Of a past day: as it was known at its end, or as it happened by all that is known now."""

    KNOWN = "known"
    HAPPENED = "happened"


class Standing(NamedTuple):
    """How a facility stands. The first nine say where its quantities count."""

    kind: str
    district: str | None
    street: str | None
    community: str | None
    large_grid: str | None
    grid: str | None
    owner: str | None
    authority: str | None
    maintainer: str | None
    condition: str
    out_of_service_reason: str | None
    measure_milli: int
    defective_milli: int
    measure_estimated: bool
    light_source: str | None
    power_milliwatts: int | None


class Standable(Protocol):
    """A facility, whole or in part, or a row of ``past_standings``: it has a standing's fields."""

    @property
    def condition(self) -> str: ...


_fields = attrgetter(*Standing._fields)
CONDITIONED = ("condition", "out_of_service_reason", "defective_milli")  # the rest was registered


def standing_of(facility: Standable) -> Standing:
    return Standing._make(_fields(facility))


def registered_differences(before: Standing, after: Standing) -> dict[str, Any]:
    """What a revision changed, by field; conditions follow from acts and defects, which have their own deeds."""
    return {
        name: new
        for name, old, new in zip(Standing._fields, before, after, strict=True)
        if old != new and name not in CONDITIONED
    }


class Deed(Protocol):
    """One entry in the life of a facility."""

    @property
    def what(self) -> str: ...
    @property
    def details(self) -> Mapping[str, Any]: ...
    @property
    def happened_at(self) -> datetime: ...


def replayed(first: Standing, deeds: Iterable[Deed], until: datetime, taken: Mapping[str, int]) -> Standing | None:
    """How a facility stood at a moment by what happened before it; None before it was there.

    ``first`` is how it was registered, ``deeds`` its life in the order in which we learned of it: of two facts about
    the same thing the one learned later holds. ``taken``: by finding, what a defect takes that breaks the function.
    """
    standing, registered, defects = first, False, set[str]()
    condition, reason = Condition.INTACT, None
    for deed in deeds:
        if deed.happened_at >= until:
            continue
        match deed.what:
            case "registered":
                registered = True
            case "changed" | "replaced" | "moved" | "renumbered":
                standing = standing._replace(**deed.details.get("standing", {}))
            case "put_out_of_service":
                condition, reason = Condition.OUT_OF_SERVICE, deed.details.get("reason")
            case "returned_to_service":
                condition, reason = Condition.INTACT, None
            case "retired":
                condition, reason = Condition.RETIRED, None
            case "defect_recorded" | "defect_reopened":
                defects.add(deed.details["finding_id"])
            case "defect_restored":
                defects.discard(deed.details["finding_id"])
    broken = [taken[each] for each in defects if each in taken]
    stands, defective = under_defects(condition, standing.measure_milli, sum(broken) if broken else None)
    held = standing._replace(condition=stands.value, out_of_service_reason=reason, defective_milli=defective)
    return held if registered else None
