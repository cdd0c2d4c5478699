"""Telling the other services of a new edition of the catalogue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import the_catalogue
from services.assets.tables import catalogue_editions
from shared import clock, outbox
from shared.db import insert_new
from shared.events.assets import CataloguePublished


def publish_catalogue(session: Session) -> int:
    """Publish the catalogue when its file says something new; returns the revision that holds."""
    newest = session.execute(
        select(catalogue_editions).order_by(catalogue_editions.c.revision.desc()).limit(1)
    ).one_or_none()
    catalogue = the_catalogue().as_published()
    if newest is not None and newest.catalogue == catalogue:
        return int(newest.revision)
    return _publish(session, (newest.revision if newest is not None else 0) + 1, catalogue)


def _publish(session: Session, revision: int, catalogue: dict[str, Any]) -> int:
    now = clock.now()
    edition = {"revision": revision, "catalogue": catalogue, "published_at": now}
    if insert_new(session, catalogue_editions, [edition], catalogue_editions.c.revision):  # else a replica was faster
        event = CataloguePublished(
            revision=revision, happened_at=now, recorded_at=now, name="catalogue", catalogue=catalogue
        )
        outbox.record(session, event)
    return revision
