"""A work order's life. The table of moves below is the rule book: docs/work-order-states.md is drawn from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.workorders.domain.clocks import CLOCK_SKEW, Clock, Light, Limit, Term
from shared.errors import Conflict, Invalid
from shared.lists.spelling import folded


class State(StrEnum):
    REGISTERED = "registered"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CLOSED = "closed"
    VOID = "void"


DONE_WITH = (State.COMPLETED, State.CLOSED, State.VOID)  # nobody is sent any more
UNDISPOSED = (State.REGISTERED, State.DISPATCHED, State.ACCEPTED, State.IN_PROGRESS)
OPEN = (*UNDISPOSED, State.COMPLETED)


@dataclass(frozen=True)
class Move:
    """From which states a move can be made, and where it leads; without a target the state stays.

    ``asked``: somebody asks for it; else it follows from something else that happened.
    """

    sources: tuple[State, ...]
    target: State | None
    asked: bool = True


MOVES = {
    "dispatch": Move((State.REGISTERED,), State.DISPATCHED),
    "reassign": Move((State.DISPATCHED, State.ACCEPTED), State.DISPATCHED),
    "accept": Move((State.DISPATCHED,), State.ACCEPTED),
    "decline": Move((State.DISPATCHED, State.ACCEPTED, State.IN_PROGRESS), State.REGISTERED),
    "start": Move((State.ACCEPTED,), State.IN_PROGRESS),
    "complete": Move((State.IN_PROGRESS,), State.COMPLETED),
    "undo_complete": Move((State.COMPLETED,), State.IN_PROGRESS),
    "pass_check": Move((State.COMPLETED,), State.CLOSED),
    "fail_check": Move((State.COMPLETED,), State.DISPATCHED),
    "void": Move(OPEN, State.VOID),
    "call_back": Move((State.CLOSED,), None),
    "reopen": Move((State.CLOSED,), State.DISPATCHED),
    "supervise": Move(OPEN, None),
    "follow_alert": Move(OPEN, None, asked=False),
    "send_again": Move((State.COMPLETED,), State.DISPATCHED, asked=False),
}
ASIDE = frozenset(name for name, move in MOVES.items() if move.target is None)  # no other move follows from it


class Severity(StrEnum):
    NORMAL = "normal"
    SERIOUS = "serious"
    EMERGENCY = "emergency"


class Sort(StrEnum):
    """In which order they are listed; with a minus the latest first."""

    NEWEST = "-registered_at"
    OLDEST = "registered_at"
    DUE = "due_at"
    LAST_DUE = "-due_at"


class VoidReason(StrEnum):
    """Unfounded and duplicate lift the defect from its facility; handed over leaves it."""

    UNFOUNDED = "unfounded"
    DUPLICATE = "duplicate"
    HANDED_OVER = "handed_over"


class Stage(StrEnum):
    """What a photo shows: the problem as it was reported, or the work done."""

    REPORTED = "reported"
    DONE = "done"


class IllegalMove(Conflict):
    """A work order cannot make this move in its state."""

    slug = "illegal-move"
    zh = "工单状态不允许此操作"


class ImpossibleTime(Invalid):
    """A move happens after the one that it follows, and not in the future."""

    slug = "impossible-time"
    zh = "操作时间不得早于前一操作，也不得晚于当前时间"


@dataclass(frozen=True)
class Sight:
    """Whose orders somebody sees: one crew's, those that name one unit as owner, authority or maintainer, or all."""

    crew: str | None = None
    unit: str | None = None


ALL = Sight()


@dataclass(eq=False, kw_only=True)
class Step:
    """One move that was made: by whom, when in the world, when we knew, and why. ``crew`` is who has it afterwards.

    ``said_at`` is set where the time that was given could not be: what the device said; ``at`` is the nearest that can.
    """

    by: str
    at: datetime
    recorded_at: datetime
    said_at: datetime | None = None
    move: str = ""
    from_state: State | None = None
    to_state: State = State.REGISTERED
    crew: str | None = None
    reason: str | None = None
    note: str = ""
    answered: bool | None = None
    satisfied: bool | None = None
    longitude: float | None = None
    latitude: float | None = None

    @property
    def location(self) -> dict[str, float] | None:
        if self.longitude is None or self.latitude is None:
            return None
        return {"lon": self.longitude, "lat": self.latitude}


@dataclass(eq=False, kw_only=True)
class OrderPhoto:
    """A photo that belongs to an order. ``stored`` says whether its bytes have arrived yet.

    It was named by an account, of a crew maybe, or by the finding whose ``reporter_mark`` this is.
    """

    sha256: str
    stage: Stage
    named_by: str | None = None
    named_crew: str | None = None
    reporter_mark: str | None = None
    stored: bool = field(init=False)

    @property
    def state(self) -> str:
        return "stored" if self.stored else "awaited"


@dataclass(eq=False, kw_only=True)
class Order:
    """One case for one crew. ``due_at`` is when it must be disposed; ``warn_at`` when 80 % of that time is used.

    ``disposed_at`` is when the crew was done, as it says; ``disposal_known_at`` when we knew, which is what the clock
    goes by: nobody makes themselves punctual by what they say. ``seen_at`` is when the problem was last seen again.
    ``search`` holds its words, folded, for who looks for some of them.
    ``alert_active``: whether the alert that it came from stands; None where there is none, or nobody told us.
    """

    id: int = field(init=False)
    state: State = State.REGISTERED
    revision: int = 1
    category: str
    group: str | None = None
    severity: Severity
    source: str
    summary: str = ""
    quantity: float | None = None
    longitude: float | None = None
    latitude: float | None = None
    finding_id: UUID | None = None
    alert_id: UUID | None = None
    alert_revision: int | None = None
    alert_active: bool | None = None
    alert_ended: int | None = None
    facility_code: str | None = None
    kind: str | None = None
    district: str | None = None
    street: str | None = None
    grid: str | None = None
    owner: str | None = None
    authority: str | None = None
    maintainer: str | None = None
    search: str = ""
    registered_at: datetime
    limit_amount: float
    limit_clock: Clock
    limit_source: str
    warn_at: datetime
    due_at: datetime
    crew: str | None = None
    rule: str = ""
    supervised: bool = False
    rework_count: int = 0
    quantity_done: float | None = None
    note: str = ""
    disposed_at: datetime | None = None
    disposal_known_at: datetime | None = None
    seen_at: datetime | None = None
    closed_at: datetime | None = None
    void_reason: VoidReason | None = None
    moves: list[Step] = field(default_factory=list)
    photos: list[OrderPhoto] = field(default_factory=list)
    district_name: str | None = field(init=False)
    maintainer_name: str | None = field(init=False)

    @property
    def number(self) -> str:
        return number_of(self.registered_at, self.id)

    @property
    def limit(self) -> Limit:
        return Limit(self.limit_amount, self.limit_clock, self.limit_source)

    @property
    def location(self) -> dict[str, float] | None:
        """Where it is; None for a lamp of a lighting check whose code nobody knows."""
        if self.longitude is None or self.latitude is None:
            return None
        return {"lon": self.longitude, "lat": self.latitude}

    def light(self, now: datetime) -> Light:
        """Green below 80 % of the time, yellow up to the due time, red beyond. A disposed order keeps its light."""
        at = now if self.disposed_at is None else max(self.disposed_at, self.disposal_known_at or self.disposed_at)
        if at <= self.warn_at:
            return Light.GREEN
        return Light.YELLOW if at <= self.due_at else Light.RED

    def overdue(self, now: datetime) -> bool:
        """Whether the order should have been disposed by now, and is not."""
        return self.state in UNDISPOSED and now > self.due_at

    def known_since(self) -> datetime:
        """When we knew of its last move."""
        return max(self.registered_at, *(each.recorded_at for each in self.moves[-1:]))

    def stands_since(self) -> datetime:
        """When the move happened that the next one follows."""
        return max(self.registered_at, *(each.at for each in self.moves if each.move not in ASIDE))

    def legal_moves(self) -> list[str]:
        """What somebody may ask of it now."""
        return [name for name, move in MOVES.items() if move.asked and self.state in move.sources]

    def register(self, step: Step) -> None:
        """The first line of its history: from nothing to registered."""
        step.move = "register"
        self.moves.append(step)

    def dispatch(self, step: Step, *, crew: str, rule: str = "") -> None:
        """To a crew, by a person or by the dispatch rule of that name."""
        self._make("dispatch", step, crew=crew)
        self.rule = rule

    def reassign(self, step: Step, *, crew: str) -> None:
        """To another crew; the dispose clock runs on."""
        if crew == self.crew:
            raise Invalid("This crew has the order already.", field="crew")
        self._make("reassign", step, crew=crew)
        self.rule = ""

    def accept(self, step: Step) -> None:
        self._make("accept", step, crew=self.crew)

    def decline(self, step: Step, *, reason: str) -> None:
        """Hand it back to the dispatcher: crews often learn on site that it is not theirs."""
        self._make("decline", step, crew=None, reason=reason)
        self.rule = ""

    def start(self, step: Step) -> None:
        self._make("start", step, crew=self.crew)

    def complete(self, step: Step, *, note: str, quantity: float | None, photos: Iterable[str]) -> None:
        self._make("complete", step, crew=self.crew, note=note)
        self.note, self.quantity_done = note, quantity
        self._note_words()
        self.disposed_at, self.disposal_known_at = step.at, step.recorded_at
        self.add_photos(photos, Stage.DONE, step)

    def undo_complete(self, step: Step) -> None:
        """The crew's own mistake, undone before the check."""
        self._make("undo_complete", step, crew=self.crew)
        self.disposed_at = self.disposal_known_at = None

    def pass_check(self, step: Step, *, note: str) -> None:
        self._make("pass_check", step, crew=self.crew, note=note)
        self.closed_at = step.at

    def fail_check(self, step: Step, *, note: str, term: Term) -> None:
        """Rework: the same crew starts again, under the rework limit."""
        self._make("fail_check", step, crew=self.crew, note=note)
        self.rework_count += 1
        self._restart_clock(term)

    def void(self, step: Step, *, reason: VoidReason, note: str) -> None:
        self._make("void", step, crew=self.crew, reason=reason, note=note)
        self.void_reason = reason

    def call_back(self, step: Step, *, answered: bool, satisfied: bool | None, note: str) -> None:
        """What the citizen said. A call that nobody answered says nothing about satisfaction."""
        if answered != (satisfied is not None):
            raise Invalid("Whether somebody is satisfied is known exactly when they answered.", field="satisfied")
        self._make("call_back", step, crew=self.crew, note=note)
        step.answered, step.satisfied = answered, satisfied

    def reopen(self, step: Step, *, term: Term, note: str = "") -> None:
        """The call-back was unsatisfied: the same crew starts again, with a new dispose clock."""
        self._make("reopen", step, crew=self.crew, note=note)
        self.closed_at = None
        self._restart_clock(term)

    def send_again(self, step: Step, *, term: Term, note: str = "") -> None:
        """Its alert got worse, or the problem was seen, after the work was done: the same crew starts again, with a new
        dispose clock."""
        self._make("send_again", step, crew=self.crew, note=note)
        self._restart_clock(term)

    def was_seen_after(self) -> bool:
        """Whether somebody saw the problem after the crew, as it says, was done: that speaks against the work."""
        return self.disposed_at is not None and self.seen_at is not None and self.seen_at > self.disposed_at

    def supervise(self, step: Step, *, note: str) -> None:
        """The upper level watches this case from here."""
        self._make("supervise", step, crew=self.crew, note=note)
        self.supervised = True

    def is_behind(self, alert_revision: int) -> bool:
        """Whether an event tells of its alert what the order does not know yet."""
        return self.alert_revision is None or self.alert_revision < alert_revision

    def follow_alert(self, step: Step, *, revision: int, summary: str, place: Mapping[str, Any]) -> None:
        """Its alert got worse, or stands elsewhere: ``place`` holds district, longitude, latitude."""
        self._make("follow_alert", step, crew=self.crew, note=summary)
        self.alert_revision, self.summary = revision, summary
        for name, value in place.items():
            setattr(self, name, value)
        self._note_words()

    def add_photos(self, hashes: Iterable[str], stage: Stage, step: Step) -> None:
        known, named = {photo.sha256 for photo in self.photos}, {"named_by": step.by, "named_crew": step.crew}
        new = [each for each in dict.fromkeys(hashes) if each not in known]
        self.photos += [OrderPhoto(sha256=each, stage=stage, **named) for each in new]
        self.photos.sort(key=lambda photo: photo.sha256)  # as whoever reads the order is shown them

    def renumber(self, code: str) -> None:
        """Its facility has another code."""
        self.facility_code = code
        self._note_words()

    def _note_words(self) -> None:
        self.search = words_of(self.summary, self.note, self.street, self.facility_code)

    def _make(self, name: str, step: Step, *, crew: str | None, reason: str | None = None, note: str = "") -> None:
        move = MOVES[name]
        if self.state not in move.sources:
            raise IllegalMove(f"An order that is {self.state} cannot {name.replace('_', ' ')}.")
        set_right(step, self.stands_since())
        step.move, step.from_state, step.to_state = name, self.state, move.target or self.state
        step.crew, step.reason, step.note = crew, reason, note
        self.state, self.crew = step.to_state, crew
        self.revision += 1
        self.moves.append(step)

    def _restart_clock(self, term: Term) -> None:
        self.limit_amount, self.limit_clock, self.limit_source = term.limit.amount, term.limit.clock, term.limit.source
        self.warn_at, self.due_at = term.warn_at, term.due_at
        self.disposed_at = self.disposal_known_at = None


def set_right(step: Step, after: datetime) -> None:
    """Where a device's clock is off by minutes, a move happens at the nearest time that can be; what it said is noted.

    Raises ImpossibleTime where it is further off.
    """
    possible = max(min(step.at, step.recorded_at), after)
    if abs(step.at - possible) > CLOCK_SKEW:
        raise ImpossibleTime(
            f"{step.at.isoformat()} is not between the move before, {after.isoformat()}, and now,"
            f" {step.recorded_at.isoformat()}.",
            field="at",
        )
    if step.at != possible:
        step.said_at, step.at = step.at, possible


def words_of(*texts: str | None) -> str:
    """What a search looks through."""
    return folded(" ".join(filter(None, texts)))


def number_of(registered_at: datetime, running: int) -> str:
    """``20260401-000123``: the day of registration in UTC, and the running number over all days."""
    return f"{registered_at.astimezone(UTC):%Y%m%d}-{running:06d}"


def parse_number(number: str) -> int | None:
    """The running number in an order's number; ``None`` when it is none."""
    day, dash, running = number.partition("-")
    parts = (day.isascii() and day.isdigit(), running.isascii() and running.isdigit())
    if not dash or not all(parts) or len(running) > 18:
        return None
    return int(running)


def running_number(text: str) -> int | None:
    """The running number that somebody means, who may leave out the day; ``None`` when it is none."""
    return parse_number(text if "-" in text else f"0-{text}")
