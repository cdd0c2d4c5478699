"""The catalogue."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from services.assets import queries
from services.assets.queries.catalogue import NoEdition
from services.assets.schemas.catalogue import CatalogueOut, KindOut
from shared.auth import STAFF
from shared.paging import Page
from shared.web import Call, http

TOML = "application/toml"


class CatalogueRoutes:
    @http("GET", "/catalogue", roles=STAFF, answer=CatalogueOut, also_media=TOML, refuses=(NoEdition,),
          summary="Show the newest edition of the catalogue; its file where application/toml is accepted")  # fmt: skip
    def show_catalogue(self, call: Call) -> dict[str, Any] | Response:
        edition = queries.newest_edition(call.session)
        return Response(edition["source"], content_type=TOML) if call.wants(TOML) else edition

    @http("GET", "/kinds", roles=STAFF, answer=KindOut, paged=True, summary="List the kinds of the catalogue")
    def list_kinds(self, call: Call) -> Page:
        return queries.list_kinds()
