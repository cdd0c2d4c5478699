"""What alerts says: an alert from its first crossing to its clearing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.events import Event


@dataclass(frozen=True, kw_only=True)
class AlertEvent(Event):
    """An alert as it stands. ``severity``: minor | major | severe | critical; ``value`` is in ``unit``.

    ``order_category`` is set where the rule of this source and kind wants an emergency order; it names its category.
    """

    service: ClassVar[str] = "alerts"

    alert_id: UUID
    source: str
    kind: str
    severity: str
    active: bool
    acknowledged: bool
    since: datetime
    value: float
    unit: str
    longitude: float
    latitude: float
    district: str | None = None
    order_category: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlertRaised(AlertEvent):
    """A source crossed its threshold, and no alert was open for it."""

    about: ClassVar[str] = "alert_id"


@dataclass(frozen=True, kw_only=True)
class AlertEscalated(AlertEvent):
    """The severity of an open alert rose, or somebody called for more."""

    about: ClassVar[str] = "alert_id"


@dataclass(frozen=True, kw_only=True)
class AlertMoved(AlertEvent):
    """The source of an open alert was moved, or the district that it stands in was found or drawn anew."""

    about: ClassVar[str] = "alert_id"


@dataclass(frozen=True, kw_only=True)
class AlertAcknowledged(AlertEvent):
    """Somebody in the control room has taken the alert."""

    about: ClassVar[str] = "alert_id"


@dataclass(frozen=True, kw_only=True)
class AlertCleared(AlertEvent):
    """The source is back below its threshold, or a controller cleared it by hand."""

    about: ClassVar[str] = "alert_id"


@dataclass(frozen=True, kw_only=True)
class SensorSilent(Event):
    """A sensor has sent nothing for longer than it may: ``since`` is when it became silent, ``last_at`` when it spoke.

    ``alert_id`` is of the alert that says so, of kind ``silence``; that is cleared once the sensor sends again.
    """

    service: ClassVar[str] = "alerts"
    about: ClassVar[str] = "alert_id"

    alert_id: UUID
    source: str
    kind: str
    since: datetime
    longitude: float
    latitude: float
    expected_every_s: int | None = None
    last_at: datetime | None = None
    district: str | None = None
