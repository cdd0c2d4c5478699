"""The catalogue: its newest edition, and its kinds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.assets.domain.attributes import Attribute
from services.assets.domain.catalogue import Catalogue, Kind, running, the_catalogue
from services.assets.tables import catalogue_editions
from shared.errors import NotFound
from shared.paging import Page


class NoEdition(NotFound):
    """No edition of the catalogue was published yet."""

    slug = "no-edition"
    zh = "尚未发布目录"


def newest_edition(session: Session) -> dict[str, Any]:
    """The newest edition, and why this process's file was refused, if it was. Raises NoEdition."""
    newest_first = catalogue_editions.c.revision.desc()
    edition = session.execute(select(*catalogue_editions.c).order_by(newest_first).limit(1)).one_or_none()
    if edition is None:
        raise NoEdition(str(running.refused) if running.refused else "")
    return {"name": "catalogue", **edition._mapping, "refused": running.refused}


def list_kinds() -> Page:
    """The kinds of the catalogue, each with its attributes and the categories of defects that fit its group."""
    catalogue = the_catalogue()
    return Page([_shown(catalogue, kind) for kind in catalogue.kinds.values()])


def _shown(catalogue: Catalogue, kind: Kind) -> dict[str, Any]:
    categories = [each for each in catalogue.categories.values() if catalogue.fits(each, kind.slug)]
    attributes = [{**vars(each), "values": _listed(each)} for each in kind.attributes.values()]
    return {**vars(kind), "categories": categories, "attributes": attributes}


def _listed(attribute: Attribute) -> list[dict[str, Any]]:
    return [{"slug": slug, **vars(value)} for slug, value in attribute.values.items()]
