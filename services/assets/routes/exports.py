"""Facilities as files."""

from __future__ import annotations

from werkzeug.wrappers import Response

from services.assets import exports
from services.assets.domain.catalogue import the_catalogue
from services.assets.exporting import MEDIA, Format
from services.assets.schemas.exports import ExportQuery
from shared.auth import STAFF
from shared.db import Database
from shared.errors import TooMany
from shared.lists.exports import answer
from shared.lists.files import TooManyRows
from shared.web import Call, http


class ExportRoutes:
    db: Database

    @http("GET", "/facilities/export", roles=STAFF, audit="export", query=ExportQuery, media=MEDIA[Format.CSV],
          also_media=tuple(MEDIA.values())[1:], transaction=False, heavy=True, refuses=(TooMany, TooManyRows),
          summary="Export what a search finds as CSV, XLSX, GeoJSON or GeoPackage")  # fmt: skip
    def export_facilities(self, call: Call) -> Response:
        chosen = Format(call.query["format"])
        asked = {"arguments": call.request.args.to_dict(), "zone": the_catalogue().city.timezone}
        return answer(self.db, exports, asked, chosen=chosen, name="facilities", media=MEDIA[chosen])
