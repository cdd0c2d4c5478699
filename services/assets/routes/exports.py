"""Facilities as files."""

from __future__ import annotations

from werkzeug.wrappers import Response

from services.assets import queries
from services.assets.exporting import MEDIA, Format, TooManyRows
from services.assets.exports import Export
from services.assets.schemas.exports import ExportQuery
from shared.auth import STAFF
from shared.db import Database
from shared.errors import TooMany
from shared.web import Call, http

MOST_XLSX = 100_000  # openpyxl writes some thousand rows a second, and people open these by hand


class ExportRoutes:
    db: Database

    @http("GET", "/facilities/export", roles=STAFF, query=ExportQuery, media=MEDIA[Format.CSV],
          also_media=tuple(MEDIA.values())[1:], transaction=False, refuses=(TooMany, TooManyRows),
          summary="Export what a search finds as CSV, XLSX, GeoJSON or GeoPackage")  # fmt: skip
    def export_facilities(self, call: Call) -> Response:
        chosen = Format(call.query.pop("format"))
        if chosen is Format.XLSX:
            self._refuse_too_many(call)
        export = Export(self.db, call.request.args.to_dict())
        name = f'attachment; filename="facilities.{chosen}"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return Response(export, headers=headers, content_type=MEDIA[chosen])

    def _refuse_too_many(self, call: Call) -> None:
        with self.db.read() as session:
            if queries.are_over(session, MOST_XLSX, **call.query):
                raise TooManyRows(f"These are over {MOST_XLSX:,}; CSV takes any number.", field="format")
