"""Alerts: active or cleared, acknowledged or not, two facts that do not depend on each other.

An alert is raised, rises and falls and is cleared by what its source says, or cleared by hand once that is below every
threshold; only people acknowledge it, call for more and silence it. Worse is new: above the severity at which somebody
took it, it asks again, and above the one at which it was silenced it speaks again. Whatever was done is in its log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.alerts.domain.sensors import SKEW, Sensor, Severity, Standing
from shared.errors import Conflict, Invalid, NotFound

SILENCE = "silence"  # the kind of the alert that a sensor has fallen silent
DOUBT = "doubt"  # of the one that what it sends is refused, and may be water
ABOUT_SENSORS = (SILENCE, DOUBT)
TOLD_AT_ONCE = timedelta(seconds=1)
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


class UnknownCategory(Invalid):
    """The city's catalogue has no such category."""

    slug = "unknown-category"
    zh = "目录中没有该类别"


class NotActive(Conflict):
    """The alert is cleared."""

    slug = "alert-not-active"
    zh = "告警已解除"


class AcknowledgedAlready(Conflict):
    """The alert is acknowledged already."""

    slug = "acknowledged-already"
    zh = "告警已被确认"


class StillThere(Conflict):
    """What raised the alert still stands."""

    slug = "cause-still-there"
    zh = "告警原因仍然存在"


class NotSilenced(Conflict):
    """The alert is not silenced."""

    slug = "not-silenced"
    zh = "告警未被静默"


class WrongSilence(Invalid):
    """A silence ends, within seven days from now."""

    slug = "wrong-silence"
    zh = "静默须有结束时间，且不超过七天"


class InTheFuture(Invalid):
    """That has not happened yet."""

    slug = "in-the-future"
    zh = "时间晚于当前时间"


class BeforeTheAlert(Invalid):
    """Nobody acts on an alert before it stands."""

    slug = "before-the-alert"
    zh = "操作时间早于告警时间"


class Action(StrEnum):
    """What an entry of the log tells."""

    RAISED = "raised"
    ROSE = "rose"
    FELL = "fell"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    ASKED_AGAIN = "asked_again"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    MOVED = "moved"
    CLEARED = "cleared"


@dataclass(eq=False, kw_only=True)
class Silence:
    """Until when a source keeps quiet about one kind of alert, unless it is worse than ``severity``."""

    source: str
    kind: str
    until: datetime
    severity: Severity
    by: str
    reason: str | None = None

    def holds(self, severity: Severity, now: datetime) -> bool:
        return now < self.until and severity.rank <= self.severity.rank


@dataclass(eq=False, kw_only=True)
class Alert:
    """A source that is over its threshold, or was; of kind ``silence`` one that sends nothing, or did not; of kind
    ``doubt`` one whose readings are refused and may be water.

    ``value`` is the newest one, in ``unit``; of a silence the seconds after which the source counts as silent, of a
    doubt the refused one.
    ``since`` is when it was raised by the source's clock, ``recorded_at`` when we knew, ``asked_at`` when it asked
    again. ``revision`` counts what was done and how it stands, not each value. ``order_category`` is set where a rule
    wants an emergency order.
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
    asked_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_severity: Severity | None = None
    cleared_at: datetime | None = None
    cleared_by: str | None = None
    silenced_until: datetime | None = None
    silenced_severity: Severity | None = None
    silenced_by: str | None = None
    silence_reason: str | None = None
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

    def follow(self, standing: Standing, at: datetime, by: str, now: datetime) -> list[Action]:
        """Take the standing that a value leads to; what that did, in order."""
        self.below_since = standing.below_since
        if standing.severity is None:
            self.end(at, by)
            return [Action.CLEARED]
        if standing.severity is self.severity:
            return []
        rose = standing.severity.rank > self.severity.rank
        self.severity = standing.severity
        self.revision += 1
        if rose:
            return [Action.ROSE, *self.worsen(now)]
        if self.acknowledged:
            self.acknowledged_severity = self.severity  # whoever took it has seen it fall: a second rise is news
        return [Action.FELL]

    def is_overtaken(self, now: datetime) -> bool:
        """Whether it is worse than what somebody took or silenced, and does not say so."""
        taken = self.acknowledged and self.acknowledged_severity
        hushed = self.is_silenced(now) and self.silenced_severity
        return any(each and self._exceeds(each) for each in (taken, hushed))

    def worsen(self, now: datetime) -> list[Action]:
        """Worse than what somebody took or silenced: ask again, and speak again."""
        done = []
        if self.acknowledged and self._exceeds(self.acknowledged_severity):
            self.acknowledged, self.asked_at = False, now
            self.acknowledged_at = self.acknowledged_by = self.acknowledged_severity = None
            done.append(Action.ASKED_AGAIN)
        if self.is_silenced(now) and self._exceeds(self.silenced_severity):
            self.hush(None)
            done.append(Action.UNSILENCED)
        return done

    def _exceeds(self, severity: Severity | None) -> bool:
        return severity is None or self.severity.rank > severity.rank

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
        self.end(at, by)

    def silence(self, until: datetime, now: datetime, by: str, reason: str | None) -> Silence:
        """Keep it, and what its source raises after it, quiet for a while. Raises NotActive and WrongSilence."""
        self._must_be_active()
        if not now < until <= now + LONGEST_SILENCE:
            raise WrongSilence(f"{until.isoformat()} is not within seven days from now.", field="until")
        silence = Silence(source=self.source, kind=self.kind, until=until, severity=self.severity, by=by, reason=reason)
        self.hush(silence)
        self.revision += 1
        return silence

    def unsilence(self, now: datetime) -> None:
        """End its silence before its time. Raises NotSilenced."""
        if not self.is_silenced(now):
            raise NotSilenced("No silence runs, or it has ended by itself.")
        self.hush(None)
        self.revision += 1

    def is_silenced(self, now: datetime) -> bool:
        return self.silenced_until is not None and now < self.silenced_until

    def hush(self, silence: Silence | None) -> None:
        """Keep the silence of its source, or none."""
        self.silenced_until = silence.until if silence else None
        self.silenced_severity = silence.severity if silence else None
        self.silenced_by = silence.by if silence else None
        self.silence_reason = silence.reason if silence else None

    def _must_be_active(self) -> None:
        if not self.active:
            raise NotActive("Only an active alert can be escalated, silenced or cleared.")

    def end(self, at: datetime, by: str) -> None:
        self.active, self.cleared_at, self.cleared_by, self.below_since = False, at, by, None
        self.revision += 1

    def seconds_to_acknowledge(self, known_at: datetime) -> float | None:
        """From when it asked to when we knew that somebody took it; None as long as nobody has."""
        if self.acknowledged_at is None:
            return None
        return seconds_between(self.asked_at or self.recorded_at, self.acknowledged_at, known_at)


def seconds_between(asked_at: datetime, done_at: datetime, known_at: datetime) -> float:
    """How long an alert waited: until we knew, since nobody is quicker for saying so. ``done_at`` is what they say."""
    at_once = timedelta() <= known_at - done_at < TOLD_AT_ONCE
    return max(0.0, ((done_at if at_once else known_at) - asked_at).total_seconds())


def check_gone(alert: Alert, sensor: Sensor, now: datetime) -> None:
    """Raises StillThere as long as the sensor says what raised the alert: nobody clears a flood by hand.

    A doubt ends with whoever has looked; the next reading that is refused raises it again.
    """
    if alert.kind == DOUBT:
        return
    if alert.kind == SILENCE:
        if sensor.is_silent(now):
            raise StillThere(f"{sensor.code} still sends nothing. It clears with its next reading; or silence it.")
    elif severity := sensor.severity:
        at = next(each["at"] for each in sensor.thresholds if each["severity"] == severity)
        raise StillThere(
            f"{sensor.code} stands at {sensor.last_value:g} {sensor.unit}: the threshold of {severity} is {at:g}. "
            "Silence the alert, or change the thresholds of a gauge that is wrong."
        )


def acknowledge_bucket(seconds: float) -> str:
    """The upper bound, as metrics write it, of the bucket that a time to acknowledge falls into."""
    return next((f"{bound}.0" for bound in ACKNOWLEDGE_BUCKETS_S if seconds <= bound), "+Inf")


@dataclass(eq=False, kw_only=True)
class Rule:
    """For which alerts an emergency order is opened, and of which category (none: no order is opened).

    A rule without ``kind`` or ``district`` holds for all of them; but that a sensor is silent, or in doubt, opens an
    order only where a rule names that kind. Of the enabled rules that match, the one of the lowest ``priority`` counts.
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
            and self.kind in ((alert.kind,) if alert.kind in ABOUT_SENSORS else (None, alert.kind))
            and self.district in (None, alert.district)
        )


def set_right(at: datetime, after: datetime, now: datetime) -> datetime:
    """The nearest time that an act can have, where a clock is off by minutes. Raises InTheFuture, BeforeTheAlert."""
    if at > now + SKEW:
        raise InTheFuture(f"{at.isoformat()} lies ahead of {now.isoformat()}.", field="at")
    if at < after - SKEW:
        raise BeforeTheAlert(f"{at.isoformat()} is before {after.isoformat()}.", field="at")
    return max(min(at, now), after)
