"""The categories of the city's catalogue, from a copy of what assets publishes: rules name one of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.alerts.domain.alerts import UnknownCategory
from services.alerts.tables import catalogue
from shared.db import insert_new
from shared.events.assets import CataloguePublished


def keep_catalogue(session: Session, events: Sequence[CataloguePublished]) -> None:
    """Keep the newest revision, in whatever order the events come."""
    for event in sorted(events, key=lambda each: (each.name, each.revision)):
        categories = sorted(event.catalogue.get("categories", {}))
        row = {"name": event.name, "categories": categories, "revision": event.revision}
        if not insert_new(session, catalogue, [row], catalogue.c.name):
            older = catalogue.c.name == event.name, catalogue.c.revision < event.revision
            session.execute(catalogue.update().where(*older).values(row))


def must_exist(session: Session, category: str | None) -> None:
    """Raises UnknownCategory for one that the catalogue does not have, once we have heard of it."""
    if category is None:
        return
    known = [code for each in session.scalars(select(catalogue.c.categories)) for code in each]
    if known and category not in known:
        raise UnknownCategory(f"The catalogue has no category {category}.", field="order_category")
