"""Lighting checks: a night patrol looks at lamps, and a dark one is a finding where its schedule wanted it lit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
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
    """What a look at one lamp led to. ``awaited`` until assets has said whether the lamp should burn."""

    LIT = "lit"
    FINDING = "finding"
    ALREADY_REPORTED = "already_reported"
    OUTSIDE_LIGHTING_HOURS = "outside_lighting_hours"
    AWAITED = "awaited"
    UNKNOWN_LAMP = "unknown_lamp"


class Judged(NamedTuple):
    """What assets says of a lamp: whether it should have burnt, None where there is no such lamp; and why not."""

    planned: bool | None
    reason: str = ""


NOT_ASKED = Judged(None, "unknown-lamp: nothing was said of it")


@dataclass(eq=False, kw_only=True)
class Look:
    """One lamp of a lighting check, and what became of it: ``finding_id`` where a dark lamp's finding stands.

    ``outcome`` keeps to the first four for the sake of readers of the version before; ``verdict`` comes before it.
    """

    position: int
    facility_code: str
    lit: bool
    outcome: Outcome = Outcome.LIT
    verdict: Outcome | None = None
    reason: str | None = None
    finding_id: UUID | None = None

    @property
    def shown(self) -> Outcome:
        return self.verdict or self.outcome


@dataclass(eq=False, kw_only=True)
class LightCheck:
    """A patrol's look at the lamps of a stretch, in the order of the walk: kept as it was seen.

    ``lamps_planned``: how many of them should have burnt, by their own schedules; ``awaited`` until assets has said so.
    """

    id: UUID
    inspector: str
    checked_at: datetime
    recorded_at: datetime
    lamps_checked: int
    lamps_lit: int
    lamps: list[Look]
    lamps_planned: int | None = None
    within_lighting_hours: bool = False
    awaited: bool | None = True
    revision: int = 1

    @property
    def within(self) -> bool | None:
        """Whether any of its lamps should have burnt; None until that is known."""
        return None if self.awaited else self.within_lighting_hours

    def finding_id(self, facility_code: str) -> UUID:
        """The id of the finding that a dark lamp of this check becomes: the same whenever it is worked out."""
        return uuid5(self.id, facility_code)

    def judge(self, said: Mapping[str, Judged]) -> list[str]:
        """Note what assets says of each lamp; returns those that should have burnt, were dark and have no finding."""
        judged = {look.facility_code: said.get(look.facility_code, NOT_ASKED) for look in self.lamps}
        self.lamps_planned = sum(each.planned is True for each in judged.values())
        self.within_lighting_hours, self.awaited = self.lamps_planned > 0, False
        self.revision += 1
        for look in self.lamps:
            planned, reason = judged[look.facility_code]
            look.verdict, look.reason = (Outcome.UNKNOWN_LAMP if planned is None else None), reason or None
        return [
            look.facility_code
            for look in self.lamps
            if not look.lit and look.finding_id is None and judged[look.facility_code].planned
        ]

    def conclude(self, findings: Mapping[str, UUID]) -> None:
        """Note the finding that stands for each of these dark lamps."""
        for look in self.lamps:
            if finding_id := findings.get(look.facility_code):
                ours = finding_id == self.finding_id(look.facility_code)
                look.finding_id, look.outcome = finding_id, Outcome.FINDING if ours else Outcome.ALREADY_REPORTED


def new_light_check(
    *, id: UUID, inspector: str, checked_at: datetime, now: datetime, lamps: Sequence[Mapping[str, Any]]
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
        lamps_checked=len(lamps),
        lamps_lit=sum(lamp["lit"] for lamp in lamps),
        lamps=[_new_look(position, **lamp) for position, lamp in enumerate(lamps)],
    )


def _new_look(position: int, facility_code: str, lit: bool) -> Look:
    outcome, verdict = (Outcome.LIT, None) if lit else (Outcome.OUTSIDE_LIGHTING_HOURS, Outcome.AWAITED)
    return Look(position=position, facility_code=facility_code, lit=lit, outcome=outcome, verdict=verdict)
