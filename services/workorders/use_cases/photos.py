"""Keeping photos. The bytes are in a file before their row says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.workorders import tables
from services.workorders.domain.photos import Picture
from shared import clock
from shared.db import Database, insert_new
from shared.files import forget


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


def remove_unnamed(db: Database, found: Mapping[str, Path], before: float) -> None:
    """Of files last written before a time, by name, remove those that no row names, drafts included.

    They are of commands that died before their commit.
    """
    with db.read() as session:
        named = set(session.scalars(select(tables.photos.c.sha256).where(tables.photos.c.sha256.in_([*found]))))
    for name in found.keys() - named:
        forget(found[name], before)
