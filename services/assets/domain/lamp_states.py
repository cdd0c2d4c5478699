"""What lamp controllers report, which of it is taken, and how a lamp's night is judged.

A state holds until the next one, but no longer than the catalogue's ``lamp_state_holds_min``: after that nobody knows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from services.assets.domain.catalogue import Rules

SKEW = timedelta(minutes=5)  # how far a controller's clock may run ahead of ours
LARGEST_POWER_W = 100_000
AT_ONCE = 5_000  # states of one batch


class Failure(StrEnum):
    """What a controller says is wrong.

    The flags of uCIFI's outdoor lamp controller (LwM2M object 3416) and electrical monitor (3418), then the statuses
    of FIWARE's Streetlight, all in snake_case.
    """

    LAMP_FAILURE = "lamp_failure"
    CONTROL_GEAR_FAILURE = "control_gear_failure"
    CONTROL_GEAR_COMMUNICATION_FAILURE = "control_gear_communication_failure"
    RELAY_FAILURE = "relay_failure"
    CYCLING_FAILURE = "cycling_failure"
    DAY_BURNER = "day_burner"
    INVALID_SCHEDULER = "invalid_scheduler"
    LOW_POWER_FACTOR = "low_power_factor"
    LOW_POWER = "low_power"
    HIGH_POWER = "high_power"
    LOW_CURRENT = "low_current"
    HIGH_CURRENT = "high_current"
    LOW_VOLTAGE = "low_voltage"
    HIGH_VOLTAGE = "high_voltage"
    DEFECTIVE_LAMP = "defective_lamp"
    BROKEN_LANTERN = "broken_lantern"
    COLUMN_ISSUE = "column_issue"


class Refusal(StrEnum):
    """Why a state is not taken. Late, early and repeated ones are: order of arrival never matters."""

    UNKNOWN_LAMP = "unknown-lamp: the registry has no lamp with this code"
    IN_THE_FUTURE = "in-the-future: the time is over five minutes ahead of ours"
    TOO_OLD = "too-old: the states of that night are not kept any more"
    IMPOSSIBLE_POWER = f"impossible-power: the power is below 0 or over {LARGEST_POWER_W:,} W"
    CONTRADICTION = "contradiction: the lamp said otherwise for the same second"


def refuse(at: datetime, power_w: float | None, now: datetime, rules: Rules) -> Refusal | None:
    """Why a lamp's state is not taken; None when it is."""
    if at > now + SKEW:
        return Refusal.IN_THE_FUTURE
    if at < now - timedelta(days=rules.lamp_states_kept_days):
        return Refusal.TOO_OLD
    if power_w is not None and not 0 <= power_w <= LARGEST_POWER_W:
        return Refusal.IMPOSSIBLE_POWER
    return None


class Misbehaviour(StrEnum):
    """What a lamp's night may show, by the category of defect that it is."""

    DARK = "lamp_out"
    DAY_BURNING = "day_burning"


class LampNight(NamedTuple):
    """One lamp on one night, in seconds.

    ``planned_s``: what its schedule wants; ``known_s``: how much of that its states tell of; ``lit_s``: how much of
    the known it burnt; ``dark_s``: how much of it it did not, as far as a later state bears it out;
    ``day_burning_s``: how long it burnt by day, outside of the plan and the tolerance around both.
    """

    planned_s: int
    known_s: int
    lit_s: int
    dark_s: int
    day_burning_s: int


def misbehaviours(night: LampNight, rules: Rules) -> list[Misbehaviour]:
    """What is wrong with the lamp: dark within planned hours for long enough, or burning by day (白天亮灯)."""
    dark = night.dark_s >= rules.dark_after_min * 60
    shown = {Misbehaviour.DARK: dark, Misbehaviour.DAY_BURNING: night.day_burning_s > 0}
    return [each for each, so in shown.items() if so]
