"""The kinds of the catalogue."""

from __future__ import annotations

from services.assets.domain.catalogue import the_catalogue
from shared.paging import Page


def list_kinds() -> Page:
    """The kinds of the catalogue, each with the categories of defects that fit its group."""
    catalogue = the_catalogue()
    return Page(
        [
            {**vars(kind), "categories": [c for c in catalogue.categories.values() if catalogue.fits(c, kind.slug)]}
            for kind in catalogue.kinds.values()
        ]
    )
