"""Alerts: active or cleared, acknowledged or not, two facts that do not depend on each other.

An alert is raised, rises and falls and is cleared by what its source says, or cleared by hand; only people acknowledge
it, call for more and silence it. Whatever anybody did is an entry of its log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.alerts.domain.sensors import SKEW, Severity, Standing
from shared.errors import Conflict, Invalid, NotFound

LONGEST_SILENCE = timedelta(days=7)
ACKNOWLEDGE_BUCKETS_S = (15, 30, 60, 120, 300, 600, 1800, 3600)


class UnknownAlert(NotFound):
    """There is no such alert."""

    slug = "unknown-alert"
    zh = "没有该告警"


class UnknownRule(NotFound):
    """There is no such rule."""

    slug = "unknown-rule"
    zh = "没有该规则"


class NotActive(Conflict):
    """The alert is cleared."""

    slug = "alert-not-active"
    zh = "告警已解除"


class AcknowledgedAlready(Conflict):
    """The alert is acknowledged already."""

    slug = "acknowledged-already"
    zh = "告警已被确认"


class WrongSilence(Invalid):
    """A silence ends, within seven days from now."""

    slug = "wrong-silence"
    zh = "静默须有结束时间，且不超过七天"


class InTheFuture(Invalid):
    """That has not happened yet."""

    slug = "in-the-future"
    zh = "时间晚于当前时间"


class Action(StrEnum):
    """What an entry of the log tells."""

    RAISED = "raised"
    ROSE = "rose"
    FELL = "fell"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    SILENCED = "silenced"
    CLEARED = "cleared"


@dataclass(eq=False, kw_only=True)
class Alert:
    """A source that is over its threshold, or was. ``value`` is the newest one, in ``unit``.

    ``since`` is when it was raised by the source's clock, ``recorded_at`` when we knew. ``revision`` counts what was
    done and how it stands, not each value. ``order_category`` is set where a rule wants an emergency order.
    """

    id: UUID
    source: str
    kind: str
    severity: Severity
    since: datetime
    recorded_at: datetime
    value: float
    unit: str
    longitude: float
    latitude: float
    district: str | None = None
    active: bool = True
    acknowledged: bool = False
    below_since: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_severity: Severity | None = None
    cleared_at: datetime | None = None
    cleared_by: str | None = None
    silenced_until: datetime | None = None
    escalations: int = 0
    order_category: str | None = None
    revision: int = 1

    @property
    def location(self) -> dict[str, float]:
        return {"lon": self.longitude, "lat": self.latitude}

    @property
    def state(self) -> dict[str, bool]:
        return {"active": self.active, "acknowledged": self.acknowledged}

    @property
    def standing(self) -> Standing:
        return Standing(self.severity, self.below_since)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Under what it counts as active: kind, severity, district, acknowledged."""
        if not self.active:
            return None
        return self.kind, str(self.severity), self.district or "", str(self.acknowledged).lower()

    def follow(self, standing: Standing, at: datetime, by: str) -> Action | None:
        """Take the standing that a value leads to; what that did, if anything."""
        self.below_since = standing.below_since
        if standing.severity is None:
            self._end(at, by)
            return Action.CLEARED
        if standing.severity is self.severity:
            return None
        action = Action.ROSE if standing.severity.rank > self.severity.rank else Action.FELL
        self.severity = standing.severity
        self.revision += 1
        return action

    def acknowledge(self, at: datetime, by: str) -> None:
        """Somebody has taken it; a cleared alert can be acknowledged too. Raises AcknowledgedAlready."""
        if self.acknowledged:
            raise AcknowledgedAlready(f"{self.acknowledged_by} has acknowledged it.")
        self.acknowledged, self.acknowledged_at, self.acknowledged_by = True, at, by
        self.acknowledged_severity = self.severity
        self.revision += 1

    def escalate(self) -> None:
        """Call for more. Raises NotActive."""
        self._must_be_active()
        self.escalations += 1
        self.revision += 1

    def clear(self, at: datetime, by: str) -> None:
        """End it by hand. Raises NotActive."""
        self._must_be_active()
        self._end(at, by)

    def silence(self, until: datetime, now: datetime) -> None:
        """Keep it quiet for a while. Raises NotActive and WrongSilence."""
        self._must_be_active()
        if not now < until <= now + LONGEST_SILENCE:
            raise WrongSilence(f"{until.isoformat()} is not within seven days from now.", field="until")
        self.silenced_until = until
        self.revision += 1

    def _must_be_active(self) -> None:
        if not self.active:
            raise NotActive("Only an active alert can be escalated, silenced or cleared.")

    def _end(self, at: datetime, by: str) -> None:
        self.active, self.cleared_at, self.cleared_by, self.below_since = False, at, by, None
        self.revision += 1

    def seconds_to_acknowledge(self) -> float | None:
        """From when we knew of it to when somebody took it; None as long as nobody has."""
        if self.acknowledged_at is None:
            return None
        return max(0.0, (self.acknowledged_at - self.recorded_at).total_seconds())


def acknowledge_bucket(seconds: float) -> str:
    """The upper bound, as metrics write it, of the bucket that a time to acknowledge falls into."""
    return next((f"{bound}.0" for bound in ACKNOWLEDGE_BUCKETS_S if seconds <= bound), "+Inf")


@dataclass(eq=False, kw_only=True)
class Rule:
    """For which alerts an emergency order is opened, and of which category (none: no order is opened).

    A rule without ``kind`` or ``district`` holds for all of them. Of the enabled rules that match, the one of the
    lowest ``priority`` counts.
    """

    id: UUID
    name: str
    severity: Severity = Severity.MINOR
    kind: str | None = None
    district: str | None = None
    order_category: str | None = None
    priority: int = 100
    enabled: bool = True
    revision: int = 1

    def matches(self, alert: Alert) -> bool:
        return (
            self.enabled
            and alert.severity.rank >= self.severity.rank
            and self.kind in (None, alert.kind)
            and self.district in (None, alert.district)
        )


def check_time(at: datetime, now: datetime) -> datetime:
    """``at``, unless it lies further ahead than a clock may be wrong. Raises InTheFuture."""
    if at > now + SKEW:
        raise InTheFuture(f"{at.isoformat()} lies ahead of {now.isoformat()}.", field="at")
    return at
