"""Labels with QR codes, and where these lead."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.wrappers import Request, Response

from services.assets import queries
from services.assets.domain.facilities import LONGEST_CODE, UnknownFacility
from services.assets.domain.labels import SHEETS, NothingToPrint, Reach, Sheet, divided, notice_of, reach_of
from services.assets.domain.rates import DayBeforeRegistry, DayToCome
from services.assets.queries.public import Face
from services.assets.routes import label_page
from services.assets.schemas.labels import LabelsQuery
from shared import logs
from shared.auth import PUBLIC, STAFF
from shared.bounded import Bounded, Broken
from shared.db import Database
from shared.errors import Unavailable
from shared.screens import HTML
from shared.settings import Settings
from shared.web import API, Call, http

PDF = "application/pdf"
PRINTERS = Bounded("services.assets.label_sheets", count=2, seconds=30, memory=300_000_000)
OPENED_BY = "Labels-Opened-By"

log = logs.get(__name__)


class LabelRoutes:
    db: Database
    settings: Settings

    @http("GET", "/facilities/labels.pdf", roles=STAFF, query=LabelsQuery, media=PDF, transaction=False, heavy=True,
          refuses=(UnknownFacility, NothingToPrint, DayToCome, DayBeforeRegistry),
          summary="Print QR labels of the facilities that a search finds; Link leads to those left over")  # fmt: skip
    def print_labels(self, call: Call) -> Response:
        sheet, search = _sheet_of(call.query)
        with self.db.read() as session:
            page = queries.list_labels(session, public_url=self.settings.public_url, **search)
        if not page.items:
            raise NothingToPrint("The search finds no facility.")
        url = self.settings.public_url
        if (reach := reach_of(url)) is not Reach.ANYBODY:
            log.warning("labels for an address that not everybody can open", public_url=url, opened_by=reach)
        try:
            pdf = PRINTERS.run(call.user.name, "drawn", page.items, sheet, notice_of(url))
        except Broken as wrong:
            raise Unavailable("The labels took too long; print fewer at once.", retry_after_s=1) from wrong
        named = {"Content-Disposition": "inline; filename=labels.pdf", OPENED_BY: reach}
        return Response(pdf, content_type=PDF, headers=named | _link(call.request, page.next))

    @http("GET", "/f/<code>", roles=PUBLIC, prefix="", media=HTML, also_status=302, transaction=False,
          refuses=(UnknownFacility,),
          summary="Where a label's QR code leads: a page where HTML is asked for, else to the file")  # fmt: skip
    def open_label(self, call: Call, code: str) -> Response:
        page_wanted = label_page.is_wanted(call.request)
        try:
            face = self._face_of(code)
        except UnknownFacility:
            if page_wanted:
                return label_page.unknown_page(call.request, code)
            raise
        if page_wanted:
            return label_page.facility_page(call.request, code, face)
        headers = {"Location": f"{API}/facilities/{quote(code, safe='')}/file", "Vary": "Accept"}
        return Response(status=302, headers=headers)

    def _face_of(self, code: str) -> Face:
        if len(code) > LONGEST_CODE:
            raise UnknownFacility(f"No code has more than {LONGEST_CODE} characters.")
        with self.db.look() as session:
            return queries.show_to_public(session, code)


def _sheet_of(query: dict[str, Any]) -> tuple[Sheet, dict[str, Any]]:
    """The paper, and what remains of the query: the search."""
    search = dict(query)
    named, columns, rows = (search.pop(name, None) for name in ("sheet", "columns", "rows"))
    return (divided(columns, rows) if columns and rows else SHEETS[str(named)]), search


def _link(request: Request, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    following = urlencode({**request.args.to_dict(), "cursor": cursor})
    return {"Link": f'<{request.path}?{following}>; rel="next"'}
