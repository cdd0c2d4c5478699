"""Findings and lighting checks, and the rules they live by.

A finding 案件线索 is what somebody saw or measured. Its whole life is the table MOVES: by hand a report is confirmed
核实, rejected 不予受理 or merged 重复; once it is confirmed a work order stands for it, and only the order ends it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from shared.errors import Conflict, Forbidden, Invalid, NotFound

SKEW = timedelta(minutes=5)  # how far a reporter's clock may run ahead of ours
DARK_LAMP = "lamp_out"
PATROL = "patrol"


class UnknownFinding(NotFound):
    """There is no such finding."""

    slug = "unknown-finding"
    zh = "没有该线索"


class UnknownLightCheck(NotFound):
    """There is no such lighting check."""

    slug = "unknown-light-check"
    zh = "没有该亮灯检查"


class NotYours(Forbidden):
    """An inspector sees only what they reported themselves."""

    slug = "not-yours"
    zh = "巡查员只能查看本人上报的内容"


class IllegalMove(Conflict):
    """A finding cannot make this move."""

    slug = "illegal-move"
    zh = "线索状态不允许此操作"


class FindingExists(Conflict):
    """Another finding has this id."""

    slug = "finding-exists"
    zh = "该编号已有线索"


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


class PatrolOnly(Forbidden):
    """Only an inspector reports what a patrol found."""

    slug = "patrol-only"
    zh = "巡查来源只能由巡查员上报"


class InTheFuture(Invalid):
    """That has not happened yet."""

    slug = "in-the-future"
    zh = "时间晚于当前时间"


class CannotMerge(Invalid):
    """The findings cannot be merged."""

    slug = "cannot-merge"
    zh = "线索无法合并"


class SeenTwice(Invalid):
    """A lamp stands in the lighting check more than once."""

    slug = "lamp-seen-twice"
    zh = "同一灯具在一次检查中重复出现"


class State(StrEnum):
    REPORTED = "reported"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"
    REJECTED = "rejected"
    MERGED = "merged"


class Move(StrEnum):
    """The first three are made by hand; the last three follow the work order that a confirmed finding opened."""

    CONFIRM = "confirm"
    REJECT = "reject"
    MERGE = "merge"
    RESOLVE = "resolve"
    STRIKE = "strike"
    REOPEN = "reopen"


MOVES: dict[tuple[State, Move], State] = {
    (State.REPORTED, Move.CONFIRM): State.CONFIRMED,
    (State.REPORTED, Move.REJECT): State.REJECTED,
    (State.REPORTED, Move.MERGE): State.MERGED,
    (State.CONFIRMED, Move.RESOLVE): State.RESOLVED,  # its order was closed
    (State.CONFIRMED, Move.STRIKE): State.REJECTED,  # its order was voided: unfounded or duplicate
    (State.RESOLVED, Move.REOPEN): State.CONFIRMED,  # its order was reopened
    (State.RESOLVED, Move.STRIKE): State.REJECTED,  # reopened and voided, and we heard of the voiding first
}
OPEN = frozenset({State.REPORTED, State.CONFIRMED})


def draw() -> str:
    """The table of moves as a Mermaid state diagram, for the documents."""
    arrows = [f"    {before} --> {after}: {move}" for (before, move), after in MOVES.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> reported", "    [*] --> confirmed", *arrows])


class Severity(StrEnum):
    NORMAL = "normal"
    SERIOUS = "serious"
    EMERGENCY = "emergency"


class Outcome(StrEnum):
    """What a look at one lamp led to."""

    LIT = "lit"
    FINDING = "finding"
    ALREADY_REPORTED = "already_reported"
    OUTSIDE_LIGHTING_HOURS = "outside_lighting_hours"


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
    """What a report is judged by: the catalogue's copy (None until the first one came) and the table of sources."""

    categories: Mapping[str, Category] | None
    sources: Mapping[str, Source]
    lighting: dict[str, Any] | None = None

    def category(self, slug: str) -> Category:
        """The category; any will do as long as there is no catalogue. Raises UnknownCategory."""
        if self.categories is None:
            return Category(slug=slug, single=slug == DARK_LAMP)
        if slug not in self.categories:
            raise UnknownCategory(f"The catalogue has no category {slug}.", field="category")
        return self.categories[slug]

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


@dataclass(eq=False, kw_only=True)
class Finding:
    """A problem that somebody saw. ``quantity`` is in the unit of the facility's kind (pieces, m, m²).

    ``facility_code`` is what the reporter said; ``linked_code`` what assets made of it. A lamp of a lighting check
    comes without a place. ``slot`` is held while a finding of a single category is open: it is unique.
    """

    id: UUID
    state: State
    category: str
    severity: Severity
    source: str
    reporter: str
    found_at: datetime
    reported_at: datetime
    summary: str = ""
    description: str = ""
    facility_code: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    quantity: float | None = None
    photos: list[str] = field(default_factory=list)
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    merged_into: UUID | None = None
    linked_by: str | None = None
    linked_code: str | None = None
    link_revision: int = 0
    order_number: str | None = None
    order_revision: int = 0
    slot: str | None = None
    revision: int = 1

    @property
    def facility(self) -> str | None:
        """The facility as far as it is known."""
        return self.linked_code or self.facility_code

    @property
    def location(self) -> dict[str, float] | None:
        if self.longitude is None or self.latitude is None:
            return None
        return {"lon": self.longitude, "lat": self.latitude}

    @property
    def link(self) -> dict[str, str | None]:
        """How the finding hangs on a facility: by code, by place or not at all, once assets has said so."""
        return {"state": self.linked_by or ("awaited" if self.is_open else "none"), "facility_code": self.linked_code}

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def move(self, move: Move, at: datetime, *, reason: str | None = None) -> None:
        """Make a move of the table. Raises IllegalMove."""
        self.state = self._after(move)
        self.revision += 1
        self.reason = reason
        if self.state is State.CONFIRMED:
            self.confirmed_at, self.ended_at = self.confirmed_at or at, None
        else:
            self.ended_at, self.slot = at, None

    def _after(self, move: Move) -> State:
        if after := MOVES.get((self.state, move)):
            return after
        if self.state is State.CONFIRMED and move in (Move.REJECT, Move.MERGE):
            raise IllegalMove("A confirmed finding has a work order: void that, as unfounded or duplicate.")
        raise IllegalMove(f"A finding that is {self.state} cannot {move}.")

    def merge(self, into: Finding, at: datetime) -> None:
        """Stand back behind another finding of the same problem, which must be open. Raises CannotMerge."""
        if into.id == self.id:
            raise CannotMerge("A finding cannot be merged into itself.", field="into")
        if not into.is_open:
            raise CannotMerge(
                f"Finding {into.id} is {into.state}; only an open one can stand for another.", field="into"
            )
        self.move(Move.MERGE, at)
        self.merged_into = into.id

    def arrive_merged(self, into: UUID) -> None:
        """A report of what is reported already: kept, but the first one stands for it."""
        self.state, self.merged_into, self.slot = State.MERGED, into, None
        self.confirmed_at, self.ended_at = None, self.reported_at

    def note_link(self, *, by: str, code: str | None, revision: int) -> bool:
        """Note the facility that assets found, unless newer word is here. Says whether anything changed."""
        if revision <= self.link_revision:
            return False
        self.linked_by, self.linked_code, self.link_revision = by, code, revision
        self.revision += 1
        return True

    def follow(self, *, order: str, revision: int, move: Move, at: datetime, reason: str | None = None) -> bool:
        """Follow the order, whose newest revision counts. Says whether the finding moved; raises IllegalMove."""
        if revision <= self.order_revision:
            return False
        self.order_number, self.order_revision = order, revision
        if self.state == AFTER_ORDER[move]:
            return False
        self.move(move, at, reason=reason)
        return True


AFTER_ORDER = {Move.RESOLVE: State.RESOLVED, Move.STRIKE: State.REJECTED, Move.REOPEN: State.CONFIRMED}


def new_finding(
    book: Rulebook,
    *,
    id: UUID,
    category: str,
    severity: str,
    source: str,
    reporter: str,
    found_at: datetime,
    now: datetime,
    location: Mapping[str, float] | None = None,
    facility_code: str | None = None,
    quantity: float | None = None,
    description: str = "",
    photos: Sequence[str] = (),
) -> Finding:
    """A finding as it arrives: confirmed at once where its source is trusted to that degree. Raises Invalid."""
    kind, origin = book.category(category), book.source(source)
    check_time(found_at, now, "found_at")
    trusted = origin.confirm_on_arrival
    return Finding(
        id=id,
        state=State.CONFIRMED if trusted else State.REPORTED,
        category=category,
        severity=Severity.EMERGENCY if kind.severity == Severity.EMERGENCY else Severity(severity),
        source=source,
        reporter=reporter,
        found_at=found_at,
        reported_at=now,
        confirmed_at=now if trusted else None,
        summary=description if origin.written_by_staff else "",
        description=description,
        facility_code=facility_code,
        longitude=location["lon"] if location else None,
        latitude=location["lat"] if location else None,
        quantity=quantity,
        photos=list(photos),
        slot=slot(kind, facility_code),
    )


def slot(category: Category, facility_code: str | None) -> str | None:
    """The place that a finding of a single category takes on its facility; None when it takes none."""
    return f"{category.slug}:{facility_code}" if category.single and facility_code else None


def check_time(at: datetime, now: datetime, name: str) -> datetime:
    """``at``, unless it lies further ahead than a clock may be wrong. Raises InTheFuture."""
    if at > now + SKEW:
        raise InTheFuture(f"{at.isoformat()} lies ahead of {now.isoformat()}.", field=name)
    return at


def may_report(role: str, source: str) -> None:
    """A patrol's word confirms a finding, so only an inspector gives it. Raises PatrolOnly."""
    if source == PATROL and role not in ("inspector", "admin"):
        raise PatrolOnly("An operator takes reports from other sources than patrol.", field="source")


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
