"""The work orders of findings, as workorders tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Light(StrEnum):
    """Of an order: green below 80 % of its time, yellow up to the due time, red beyond."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class OrderState(StrEnum):
    """How far it is, as far as others are told: who has it and whether they have begun, workorders shows."""

    OPEN = "open"
    COMPLETED = "completed"
    CLOSED = "closed"
    VOID = "void"


@dataclass(eq=False, kw_only=True)
class Order:
    """The work order of a finding, as we last heard of it. ``kept_light``: what it keeps once it is disposed."""

    finding_id: UUID
    number: str
    revision: int
    state: OrderState
    due_at: datetime
    warn_at: datetime | None
    kept_light: Light | None
    supervised: bool

    def light(self, now: datetime) -> Light:
        return self.kept_light or light_at(now, warn_at=self.warn_at, due_at=self.due_at)

    def overdue(self, now: datetime) -> bool:
        """Whether it should have been disposed by now, and is not."""
        return self.state is OrderState.OPEN and now > self.due_at


def light_at(at: datetime, *, warn_at: datetime | None, due_at: datetime) -> Light:
    """Of an order that is disposed then, or still to be."""
    if at > due_at:
        return Light.RED
    return Light.YELLOW if warn_at is not None and at > warn_at else Light.GREEN


def state_of(told: str) -> OrderState:
    """Of the states that workorders has: all before the disposal are open here."""
    return OrderState(told) if told in {*OrderState} else OrderState.OPEN
