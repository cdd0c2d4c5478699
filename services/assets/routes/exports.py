"""Facilities as files."""

from __future__ import annotations

from io import BytesIO
from itertools import islice

from werkzeug.wrappers import Response

from services.assets import queries
from services.assets.exporting import MEDIA, WRITE, Format, TooManyRows
from services.assets.exports import Export
from services.assets.schemas.exports import ExportQuery
from shared.auth import STAFF
from shared.db import Database
from shared.errors import TooMany
from shared.web import Call, http
from shared.workers import aside

SMALL = 5_000  # facilities that a thread writes: to start a process for them takes longer
MOST_XLSX = 100_000  # openpyxl writes some thousand rows a second, and people open these by hand


class ExportRoutes:
    db: Database

    @http("GET", "/facilities/export", roles=STAFF, audit="export", query=ExportQuery, media=MEDIA[Format.CSV],
          also_media=tuple(MEDIA.values())[1:], transaction=False, heavy=True, refuses=(TooMany, TooManyRows),
          summary="Export what a search finds as CSV, XLSX, GeoJSON or GeoPackage")  # fmt: skip
    def export_facilities(self, call: Call) -> Response:
        chosen = Format(call.query.pop("format"))
        if chosen is Format.XLSX:
            self._refuse_too_many(call)
        export = self._small(chosen, call) or Export(self.db, call.request.args.to_dict())
        name = f'attachment; filename="facilities.{chosen}"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return Response(export, headers=headers, content_type=MEDIA[chosen])

    def _small(self, chosen: Format, call: Call) -> bytes | None:
        """The whole file, unless it is for a process of its own."""
        with self.db.read() as session:
            found = list(islice(queries.every_facility(session, **call.query), SMALL + 1))
        if len(found) > SMALL:
            return None
        file = BytesIO()
        aside(WRITE[chosen], map(dict, found), file)
        return file.getvalue()

    def _refuse_too_many(self, call: Call) -> None:
        with self.db.read() as session:
            if queries.are_over(session, MOST_XLSX, **call.query):
                raise TooManyRows(f"These are over {MOST_XLSX:,}; CSV takes any number.", field="format")
