"""Facts that services tell each other: one frozen dataclass per event, named in the past tense.

These classes are a published contract. Within a version a field may be added (with a default), never removed, renamed
or given another meaning; anything else is a new version. Every event carries the full state of its thing and its
revision, so that a reader that mirrors state takes the newest, and needs no order. None carries personal data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every event. A subclass sets ``service`` and ``about``, and bumps ``version`` to break.

    ``happened_at`` is when it happened in the world, by the reporter's clock; ``recorded_at`` is when we knew.
    ``revision`` counts the changes of the thing that the event is about.
    """

    service: ClassVar[str]
    about: ClassVar[str]  # the field that names the thing: CloudEvents' subject
    version: ClassVar[int] = 1
    event_type: ClassVar[str]
    known: ClassVar[dict[str, type[Event]]] = {}

    revision: int
    happened_at: datetime
    recorded_at: datetime

    def __init_subclass__(cls) -> None:
        """Derive the wire type, ``inspections.finding_confirmed.v1``, which is the routing key as well."""
        if hasattr(cls, "about"):
            snake = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
            cls.event_type = f"{cls.service}.{snake}.v{cls.version}"
            cls.known[cls.event_type] = cls

    @property
    def subject(self) -> str:
        return str(getattr(self, self.about))
