"""How an event travels: as the ``data`` of a CloudEvents 1.0 envelope in JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from shared.events import Event

AnyEvent = TypeVar("AnyEvent", bound=Event)


class Unreadable(Exception):
    """A message that is none of our events, or one that only a newer version of ours can read: then it has an id."""

    def __init__(self, why: str, event_id: UUID | None = None) -> None:
        super().__init__(why)
        self.event_id = event_id


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


@dataclass(frozen=True)
class Outline:
    """What any CloudEvent has, whatever its version and type."""

    specversion: str
    id: UUID


_encode = msgspec.json.Encoder().encode
_outline = msgspec.json.Decoder(Outline).decode


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
        raise Unreadable(f"{event_type}: {wrong!r}", _outlined(body)) from wrong
    return envelope.id, envelope.data


def _outlined(body: bytes | str) -> UUID | None:
    with suppress(msgspec.MsgspecError, RecursionError):
        return _outline(body).id
    return None


@cache
def _decoder(event_type: str) -> msgspec.json.Decoder[Envelope[Event]]:
    kind: Any = Event.known[event_type]
    return msgspec.json.Decoder(Envelope[kind])
