"""What a work order does to the defect that it was opened for."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """Whether the defect stands, and why it does not."""

    open: bool
    reason: str | None = None


# (event of the order, reason of voiding) → what becomes of the defect; what is not here leaves it as it is.
OUTCOMES: dict[tuple[str, str | None], Outcome] = {
    ("OrderClosed", None): Outcome(False, "repaired"),
    ("OrderVoided", "unfounded"): Outcome(False, "unfounded"),
    ("OrderVoided", "duplicate"): Outcome(False, "duplicate"),
    ("OrderReopened", None): Outcome(True),
}


def outcome_of(event: str, reason: str | None) -> Outcome | None:
    """What an order's event means for its defect; None for an order handed over: the defect stays as it is."""
    return OUTCOMES.get((event, reason))
