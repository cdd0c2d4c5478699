"""How an event travels: as the ``data`` of a CloudEvents 1.0 envelope in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from shared.events import Event

AnyEvent = TypeVar("AnyEvent", bound=Event)


class Unreadable(Exception):
    """A message that is none of our events."""


@dataclass(frozen=True, kw_only=True)
class Envelope(Generic[AnyEvent]):
    specversion: str
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    data: AnyEvent


_encode = msgspec.json.Encoder().encode


def seal(event: Event, event_id: UUID) -> bytes:
    return _encode(
        Envelope(
            specversion="1.0",
            id=event_id,
            source=f"/waywarden/{event.service}",
            type=event.event_type,
            subject=event.subject,
            time=event.happened_at,
            datacontenttype="application/json",
            data=event,
        )
    )


def unseal(event_type: str, body: bytes | str) -> tuple[UUID, Event]:
    """The event's id and the event. Fields that we do not know are passed over. Raises Unreadable."""
    try:
        envelope = _decoder(event_type).decode(body)
    except (KeyError, msgspec.MsgspecError, RecursionError) as wrong:
        raise Unreadable(f"{event_type}: {wrong}") from wrong
    return envelope.id, envelope.data


@cache
def _decoder(event_type: str) -> msgspec.json.Decoder[Envelope[Event]]:
    kind: Any = Event.known[event_type]
    return msgspec.json.Decoder(Envelope[kind])
