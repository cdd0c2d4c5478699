"""The kinds of the catalogue."""

from __future__ import annotations

from typing import Any

from services.assets.domain.attributes import Attribute
from services.assets.domain.catalogue import Catalogue, Kind, the_catalogue
from shared.paging import Page


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
