"""What several schemas say of a field in the same words."""

from __future__ import annotations

from datetime import datetime, timedelta

from marshmallow import ValidationError

from shared import clock
from shared.fields import Time

KIND = {"description": "A kind of the catalogue, see /kinds.", "example": "street_light"}
KINDS = {"description": "Kinds of the catalogue, with commas between.", "example": "manhole,inlet"}
DISTRICT = {"description": "Its district; where none is named, the one it lies in.", "example": "southeast"}
STREET = {"description": "Its street.", "example": "Unioninkatu"}
COMMUNITY = {"description": "Its community (社区); where none is named, the one it lies in.", "example": "C-07"}
LARGE_GRID = {"description": "Its large grid cell; where none is named, the one of its grid cell.", "example": "LG-3"}
GRID = {"description": "Its grid cell; where none is named, the one it lies in.", "example": "G-32"}
OWNER = {"description": "The unit that owns it.", "example": "City of Helsinki"}
AUTHORITY = {"description": "The competent authority.", "example": "Urban Environment Division"}
MAINTAINER = {"description": "The unit that maintains it.", "example": "Lighting Maintenance South"}
VIEW = {
    "description": "Of a past day: as it was known at its end (never changes), or as it happened by all that is known "
    "now.",
    "example": "known",
}
AT = {"description": "When it happened, if not just now.", "example": "2026-03-01T21:35:00+02:00"}
SKEW = timedelta(minutes=5)  # how far a reporter's clock may run ahead of ours
REVISION = {"description": "Counts the changes; it is the ETag.", "example": 3}


def _is_over(at: datetime) -> None:
    if at > clock.now() + SKEW:
        raise ValidationError(f"Lies ahead of {clock.now().isoformat()}.")


def At() -> Time:
    """When something happened that somebody tells of: not in the future."""
    return Time(metadata=AT, validate=_is_over)
