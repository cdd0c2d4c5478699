"""What several schemas say of a field in the same words."""

from __future__ import annotations

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
REVISION = {"description": "Counts the changes; it is the ETag.", "example": 3}
