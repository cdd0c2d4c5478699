"""Keeping photos. The bytes are in a file before their row says so."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.photos import Picture
from shared import clock
from shared.db import insert_new


def note_photo(session: Session, *, sha256: str, picture: Picture, by: str) -> bool:
    """Say that a photo's bytes are there; return whether that is news."""
    row = {
        "sha256": sha256,
        "media_type": picture.media_type,
        "size": picture.size,
        "width": picture.width,
        "height": picture.height,
        "stored_by": by,
        "stored_at": clock.now(),
    }
    return bool(insert_new(session, tables.photos, [row], tables.photos.c.sha256))
