"""Lighting checks: a night patrol looks at lamps, and a dark one is a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from services.inspections.domain.rulebook import check_time
from shared.errors import Invalid, NotFound


class UnknownLightCheck(NotFound):
    """There is no such lighting check."""

    slug = "unknown-light-check"
    zh = "没有该亮灯检查"


class SeenTwice(Invalid):
    """A lamp stands in the lighting check more than once."""

    slug = "lamp-seen-twice"
    zh = "同一灯具在一次检查中重复出现"


class Outcome(StrEnum):
    """What a look at one lamp led to."""

    LIT = "lit"
    FINDING = "finding"
    ALREADY_REPORTED = "already_reported"
    OUTSIDE_LIGHTING_HOURS = "outside_lighting_hours"


@dataclass(eq=False, kw_only=True)
class Look:
    """One lamp of a lighting check, and what became of it: ``finding_id`` where a dark lamp's finding stands."""

    position: int
    facility_code: str
    lit: bool
    outcome: Outcome = Outcome.LIT
    finding_id: UUID | None = None


@dataclass(eq=False, kw_only=True)
class LightCheck:
    """A patrol's look at the lamps of a stretch, in the order of the walk."""

    id: UUID
    inspector: str
    checked_at: datetime
    recorded_at: datetime
    within_lighting_hours: bool
    lamps_checked: int
    lamps_lit: int
    lamps: list[Look]
    revision: int = 1

    def finding_id(self, facility_code: str) -> UUID:
        """The id of the finding that a dark lamp of this check becomes: the same whenever it is worked out."""
        return uuid5(self.id, facility_code)

    @property
    def dark(self) -> list[str]:
        """The lamps that should burn and do not, in one order everywhere."""
        return sorted(look.facility_code for look in self.lamps if not look.lit) if self.within_lighting_hours else []

    def conclude(self, findings: Mapping[str, UUID]) -> None:
        """Note per lamp what became of it; ``findings``: the finding that stands for each dark lamp."""
        for look in self.lamps:
            if look.lit:
                look.outcome = Outcome.LIT
            elif not self.within_lighting_hours:
                look.outcome = Outcome.OUTSIDE_LIGHTING_HOURS
            else:
                look.finding_id = findings[look.facility_code]
                ours = look.finding_id == self.finding_id(look.facility_code)
                look.outcome = Outcome.FINDING if ours else Outcome.ALREADY_REPORTED


def new_light_check(
    *,
    id: UUID,
    inspector: str,
    checked_at: datetime,
    now: datetime,
    within: bool,
    lamps: Sequence[Mapping[str, Any]],
) -> LightCheck:
    """``lamps``: [{"facility_code", "lit"}]. Raises SeenTwice and InTheFuture."""
    counted = Counter(lamp["facility_code"] for lamp in lamps)
    if twice := [code for code, times in counted.items() if times > 1]:
        raise SeenTwice(f"Lamp {twice[0]} stands in the check more than once.", field="lamps")
    return LightCheck(
        id=id,
        inspector=inspector,
        checked_at=check_time(checked_at, now, "checked_at"),
        recorded_at=now,
        within_lighting_hours=within,
        lamps_checked=len(lamps),
        lamps_lit=sum(lamp["lit"] for lamp in lamps),
        lamps=[Look(position=position, **lamp) for position, lamp in enumerate(lamps)],
    )
