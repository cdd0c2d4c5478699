"""What inspections says: findings, from report to resolution, and lighting checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from shared.events import Event


def mark_of(finding_id: UUID, reporter: str) -> str:
    """What a finding's events carry of the account that reported it: other findings of the same account differ."""
    return sha256(f"{finding_id} {reporter}".encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class FindingEvent(Event):
    """A finding as it stands.

    ``summary`` holds only words written by staff: what a citizen writes may name people and stays in inspections.
    Numbers, addresses and names after a title are struck out of it all the same. ``reporter_mark`` lets who asks of a
    person by name find out whether they reported it (see ``mark_of``), and names nobody.
    ``quantity`` is in the unit of the facility's kind (pieces, metres, square metres), where it is known. The place is
    None for a dark lamp of a lighting check, which is known by its facility's code only. ``found_at`` is when somebody
    saw the problem last, as far as is known; None from a version that did not tell it.
    """

    service: ClassVar[str] = "inspections"

    finding_id: UUID
    state: str
    category: str
    severity: str  # normal | serious | emergency
    source: str
    longitude: float | None
    latitude: float | None
    reported_at: datetime
    confirmed_at: datetime | None = None
    facility_code: str | None = None
    quantity: float | None = None
    summary: str = ""
    photos: list[str] = field(default_factory=list)
    reporter_mark: str | None = None
    found_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class FindingReported(FindingEvent):
    """Somebody reported a problem; nobody has looked at the report yet."""

    about: ClassVar[str] = "finding_id"


@dataclass(frozen=True, kw_only=True)
class FindingConfirmed(FindingEvent):
    """The problem is real: from here it is a defect of the city."""

    about: ClassVar[str] = "finding_id"


@dataclass(frozen=True, kw_only=True)
class FindingRejected(FindingEvent):
    """Not accepted, or found to be no problem after all."""

    about: ClassVar[str] = "finding_id"
    reason: str


@dataclass(frozen=True, kw_only=True)
class FindingMerged(FindingEvent):
    """The same problem as another finding's, which stands for both from now on."""

    about: ClassVar[str] = "finding_id"
    merged_into: UUID


@dataclass(frozen=True, kw_only=True)
class FindingResolved(FindingEvent):
    """The problem is gone: its work order was closed."""

    about: ClassVar[str] = "finding_id"


@dataclass(frozen=True, kw_only=True)
class FindingSeenAgain(FindingEvent):
    """Somebody whose word is trusted saw the problem of this finding again, last at ``seen_at``."""

    about: ClassVar[str] = "finding_id"
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class LampLook:
    """One lamp, looked at once."""

    facility_code: str
    lit: bool


@dataclass(frozen=True, kw_only=True)
class LightsChecked(Event):
    """A patrol looked at lamps at ``happened_at``; whether within lighting hours is for the reader to judge."""

    service: ClassVar[str] = "inspections"
    about: ClassVar[str] = "check_id"

    check_id: UUID
    lamps: list[LampLook]
