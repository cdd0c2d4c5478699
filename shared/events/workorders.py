"""What workorders says: an order from registration to its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.events import Event


@dataclass(frozen=True, kw_only=True)
class OrderEvent(Event):
    """A work order as it stands. It came from a finding or from an alert; ``due_at`` is when it must be disposed.

    ``warn_at`` is when 80 % of that time is used. ``disposed_at`` is when the crew was done, as it says,
    ``disposal_known_at`` when that was known, which the traffic light goes by. ``supervised``: the upper level watches.
    """

    service: ClassVar[str] = "workorders"

    number: str
    state: str
    category: str
    severity: str
    registered_at: datetime
    due_at: datetime
    rework_count: int
    finding_id: UUID | None = None
    alert_id: UUID | None = None
    facility_code: str | None = None
    district: str | None = None
    crew: str | None = None
    disposed_at: datetime | None = None
    disposal_known_at: datetime | None = None
    warn_at: datetime | None = None
    supervised: bool = False


@dataclass(frozen=True, kw_only=True)
class OrderRegistered(OrderEvent):
    """An order was opened."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderDispatched(OrderEvent):
    """An order was given to a crew; ``rule`` names the dispatch rule, or is empty when a person chose."""

    about: ClassVar[str] = "number"
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderDeclined(OrderEvent):
    """The crew handed it back: it is nobody's until it is dispatched again."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderCompleted(OrderEvent):
    """The crew says that the work is done; nobody has checked it yet."""

    about: ClassVar[str] = "number"
    quantity: float | None = None


@dataclass(frozen=True, kw_only=True)
class OrderCompletionUndone(OrderEvent):
    """The work is not done after all: its crew took that back, or it did not pass the check."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderSupervised(OrderEvent):
    """The upper level watches it from now on."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderClosed(OrderEvent):
    """The check passed, at ``happened_at``."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderReopened(OrderEvent):
    """The call-back was unsatisfied, its alert got worse, or the problem was seen again: the work starts again."""

    about: ClassVar[str] = "number"


@dataclass(frozen=True, kw_only=True)
class OrderVoided(OrderEvent):
    """The order was struck out. ``reason``: unfounded | duplicate (both lift the defect) | handed_over (leaves it)."""

    about: ClassVar[str] = "number"
    reason: str
