"""The catalogue."""

from __future__ import annotations

from services.assets import queries
from services.assets.schemas.catalogue import KindOut
from shared.auth import STAFF
from shared.paging import Page
from shared.web import Call, http


class CatalogueRoutes:
    @http("GET", "/kinds", roles=STAFF, answer=KindOut, paged=True, summary="List the kinds of the catalogue")
    def list_kinds(self, call: Call) -> Page:
        return queries.list_kinds()
