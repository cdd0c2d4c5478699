"""Findings, and the rules they live by.

A finding 案件线索 is what somebody saw or measured. Its whole life is the table MOVES: by hand a report is confirmed
核实, rejected 不予受理 or merged 重复; once it is confirmed a work order stands for it, and only the order ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.inspections.domain.orders import Order
from services.inspections.domain.people import without_people
from services.inspections.domain.places import PlaceCheck
from services.inspections.domain.rulebook import Category, Rulebook, Severity, check_time
from shared.errors import Conflict, Forbidden, Invalid, NotFound
from shared.lists.spelling import folded

PATROL = "patrol"
UNITS = ("owner", "authority", "maintainer")
PLACES = ("kind", "district", "street", "grid")
LAMP_CONTROLLER = "lamp_controller"


class UnknownFinding(NotFound):
    """There is no such finding."""

    slug = "unknown-finding"
    zh = "没有该线索"


class IllegalMove(Conflict):
    """A finding cannot make this move."""

    slug = "illegal-move"
    zh = "线索状态不允许此操作"


class FindingExists(Conflict):
    """Another finding has this id."""

    slug = "finding-exists"
    zh = "该编号已有线索"


class PatrolOnly(Forbidden):
    """Only an inspector reports what a patrol found."""

    slug = "patrol-only"
    zh = "巡查来源只能由巡查员上报"


class CannotMerge(Invalid):
    """The findings cannot be merged."""

    slug = "cannot-merge"
    zh = "线索无法合并"


class State(StrEnum):
    REPORTED = "reported"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"
    REJECTED = "rejected"
    MERGED = "merged"


class Move(StrEnum):
    """The first three are made by hand; the next three follow the work order that a confirmed finding opened.

    It is joined to another finding when assets finds that both are about one defect, and surfaces when the order of
    that one ended before it was seen.
    """

    CONFIRM = "confirm"
    REJECT = "reject"
    MERGE = "merge"
    RESOLVE = "resolve"
    STRIKE = "strike"
    REOPEN = "reopen"
    JOIN = "join"
    SURFACE = "surface"


MOVES: dict[tuple[State, Move], State] = {
    (State.REPORTED, Move.CONFIRM): State.CONFIRMED,
    (State.REPORTED, Move.REJECT): State.REJECTED,
    (State.REPORTED, Move.MERGE): State.MERGED,
    (State.CONFIRMED, Move.RESOLVE): State.RESOLVED,  # its order was closed
    (State.CONFIRMED, Move.STRIKE): State.REJECTED,  # its order was voided: unfounded or duplicate
    (State.RESOLVED, Move.REOPEN): State.CONFIRMED,  # its order was reopened
    (State.RESOLVED, Move.STRIKE): State.REJECTED,  # reopened and voided, and we heard of the voiding first
    (State.CONFIRMED, Move.JOIN): State.MERGED,
    (State.RESOLVED, Move.JOIN): State.MERGED,  # reopened while another one stands
    (State.REJECTED, Move.JOIN): State.MERGED,  # its order was voided as duplicate, and we heard of that first
    (State.MERGED, Move.SURFACE): State.REPORTED,
}
OPEN = frozenset({State.REPORTED, State.CONFIRMED})
AFTER_ORDER = {Move.RESOLVE: State.RESOLVED, Move.STRIKE: State.REJECTED, Move.REOPEN: State.CONFIRMED}


def draw() -> str:
    """The table of moves as a Mermaid state diagram, for the documents."""
    arrows = [f"    {before} --> {after}: {move}" for (before, move), after in MOVES.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> reported", "    [*] --> confirmed", *arrows])


@dataclass(frozen=True)
class Sight:
    """What somebody sees: all; what they reported themselves; or that and what is their unit's."""

    reporter: str | None = None
    unit: str | None = None


ALL = Sight()


class Standing(NamedTuple):
    """How the finding stands that stands for a merged one: what became of the report."""

    finding_id: UUID
    state: State
    confirmed_at: datetime | None
    ended_at: datetime | None
    reason: str | None
    order_number: str | None


class Sort(StrEnum):
    """In which order findings are listed; with a minus the latest first. What has no order is due last."""

    NEWEST = "-reported_at"
    OLDEST = "reported_at"
    DUE = "due_at"
    LAST_DUE = "-due_at"


@dataclass(eq=False, kw_only=True)
class Finding:
    """A problem that somebody saw. ``quantity`` is in the unit of the facility's kind (pieces, m, m²).

    ``facility_code`` is what the reporter said; ``linked_code`` what assets made of it, ``owner``, ``authority`` and
    ``maintainer`` the units that this facility then named. A lamp of a lighting check
    comes without a place. ``slot`` is held while a finding of a single category is open: it is unique.
    ``merged_into`` names a finding that is not merged itself; ``standing``, where asked for, tells how that one stands.
    ``place_check`` says whether the place lies in the city. ``kind``, ``street`` and ``grid`` are the linked
    facility's, ``district`` too, or the one that the place lies in. ``search`` holds the words to find it by, folded.
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
    owner: str | None = None
    authority: str | None = None
    maintainer: str | None = None
    kind: str | None = None
    district: str | None = None
    street: str | None = None
    grid: str | None = None
    search: str = ""
    order_number: str | None = None
    order_revision: int = 0
    last_seen_at: datetime | None = None
    slot: str | None = None
    place_check: PlaceCheck | None = None
    revision: int = 1
    standing: Standing | None = None
    order: Order | None = None

    def note_words(self) -> None:
        self.search = words_of(self.description, self.summary, self.street, self.facility_code, self.linked_code)

    @property
    def facility(self) -> str | None:
        """The facility as far as it is known."""
        return self.linked_code or self.facility_code

    def slot_on(self, code: str | None) -> str:
        """The slot of its category on the facility of this code."""
        return f"{self.category}:{code}"

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
    def stood_at(self) -> datetime:
        """When somebody saw it last; not later than we knew, whatever a clock said."""
        return self.last_seen_at or min(self.found_at, self.reported_at)

    @property
    def seen_at(self) -> datetime | None:
        """When it was last seen by somebody whose word is trusted."""
        return self.stood_at if self.last_seen_at or self.confirmed_at else None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def move(self, move: Move, at: datetime, *, reason: str | None = None) -> None:
        """Make a move of the table. Raises IllegalMove."""
        self.state = self._after(move)
        self.revision += 1
        self.reason = reason
        if self.state in OPEN:
            self.ended_at = self.merged_into = None
            if self.state is State.CONFIRMED:
                self.confirmed_at = self.confirmed_at or at
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
        self.ended_at = self.reported_at

    def join(self, into: UUID, at: datetime) -> bool:
        """Stand behind another finding from now on, whatever became of either. Says whether anything changed."""
        if into in (self.id, self.merged_into):
            return False
        if self.state is State.MERGED:
            self.revision += 1
        else:
            self.move(Move.JOIN, at)
        self.merged_into = into
        return True

    def see_again(self, at: datetime) -> bool:
        """Somebody whose word is trusted saw it then. Says whether that is news."""
        if at <= self.stood_at:
            return False
        self.last_seen_at = at
        self.revision += 1
        return True

    def note_link(self, *, by: str, code: str | None, revision: int, **facts: str | None) -> bool:
        """Note the facility, its place and units that assets found, unless newer word is here.

        Says whether anything changed.
        """
        if revision <= self.link_revision:
            return False
        for name in (*UNITS, *PLACES):
            setattr(self, name, facts.get(name) or (self.district if name == "district" else None))
        self.linked_by, self.linked_code, self.link_revision = by, code, revision
        self.note_words()
        self.revision += 1
        return True

    def note_place(self, found: PlaceCheck, district: str | None) -> None:
        """Note what is known by now of where it lies."""
        before = (self.place_check, self.district)
        self.place_check, self.district = found, self.district or district
        self.revision += before != (self.place_check, self.district)

    def follow(self, *, order: str, revision: int, move: Move, at: datetime, reason: str | None = None) -> bool:
        """Follow the order, whose newest revision counts. Says whether the finding moved; raises IllegalMove."""
        if revision <= self.order_revision:
            return False
        self.order_number, self.order_revision = order, revision
        if self.state in (AFTER_ORDER[move], State.MERGED):
            return False
        self.move(move, at, reason=reason)
        return True


def words_of(*texts: str | None) -> str:
    """What a search looks through."""
    return folded(" ".join(dict.fromkeys(filter(None, texts))))


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
    finding = Finding(
        id=id,
        state=State.CONFIRMED if trusted else State.REPORTED,
        category=category,
        severity=Severity.EMERGENCY if kind.severity == Severity.EMERGENCY else Severity(severity),
        source=source,
        reporter=reporter,
        found_at=found_at,
        reported_at=now,
        confirmed_at=now if trusted else None,
        summary=without_people(description) if origin.written_by_staff else "",
        description=description,
        facility_code=facility_code,
        longitude=location["lon"] if location else None,
        latitude=location["lat"] if location else None,
        quantity=quantity,
        photos=list(photos),
        slot=slot(kind, facility_code),
    )
    finding.note_words()
    return finding


def slot(category: Category, facility_code: str | None) -> str | None:
    """The place that a finding of a single category takes on its facility; None when it takes none."""
    return f"{category.slug}:{facility_code}" if category.single and facility_code else None


def may_report(role: str, source: str) -> None:
    """A patrol's word confirms a finding, so only an inspector gives it. Raises PatrolOnly."""
    if source == PATROL and role not in ("inspector", "admin"):
        raise PatrolOnly("An operator takes reports from other sources than patrol.", field="source")
