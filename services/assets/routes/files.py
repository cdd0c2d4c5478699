"""The file of a facility, with its photos and documents."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from services.assets import document_files, queries, use_cases
from services.assets.domain.documents import (
    LARGEST_BYTES,
    Content,
    Document,
    DocumentKind,
    NotReadable,
    UnknownDocument,
    WrongHash,
)
from services.assets.domain.facilities import UnknownFacility
from services.assets.domain.lives import NotYetKnown
from services.assets.domain.rates import DayToCome
from services.assets.routes.roles import WRITERS, viewer_of
from services.assets.schemas.documents import DocumentOut, DocumentQuery
from services.assets.schemas.files import FileOut, FileQuery
from shared import failpoints, pictures
from shared.auth import STAFF
from shared.bounded import Unfit
from shared.db import Database
from shared.errors import TooLarge
from shared.paging import Page
from shared.settings import Settings
from shared.web import SENT_BY_PEOPLE, Call, http, read_body
from shared.workers import aside

SHOWN_AS = {DocumentKind.PHOTO: "inline", DocumentKind.DOCUMENT: "attachment"}


PDF = b"%PDF-"


class FileRoutes:
    db: Database
    settings: Settings

    @http("GET", "/facilities/<code>/file", roles=STAFF, audit="read", query=FileQuery, answer=FileOut,
          refuses=(UnknownFacility, NotYetKnown, DayToCome),
          summary="Show all that is known of a facility, now or as it was known on a past day")  # fmt: skip
    def show_file(self, call: Call, code: str) -> dict[str, Any]:
        return queries.get_file(call.session, code, viewer=viewer_of(call.user), **call.query)

    @http("GET", "/facilities/<code>/documents", roles=STAFF, audit="read", answer=DocumentOut, paged=True,
          refuses=(UnknownFacility,), summary="List a facility's photos and documents, the newest first")  # fmt: skip
    def list_documents(self, call: Call, code: str) -> Page:
        return Page(queries.list_documents(call.session, code, viewer=viewer_of(call.user)))

    @http("PUT", "/facilities/<code>/documents/<sha256>", roles=WRITERS, query=DocumentQuery, answer=DocumentOut,
          also_status=201, reads="application/octet-stream", body_limit=LARGEST_BYTES, transaction=False,
          heavy=True,
          refuses=(UnknownFacility, WrongHash, NotReadable, TooLarge),
          summary="Put a photo or a PDF into a facility's file; 201 at first, 200 when it is there")  # fmt: skip
    def put_document(self, call: Call, code: str, sha256: str) -> tuple[int, Document]:
        content = read_body(call.request, LARGEST_BYTES)
        aside(document_files.check, sha256, content)
        looked_at = look_at(content, call.user.name)
        with self.db.begin() as session:
            new, document = use_cases.add_document(
                session, code, sha256=sha256, content=looked_at, title=call.query.get("title"), who=call.user.name
            )
            # Inside, so that the bytes are there before the row is, and nobody removes them in between.
            aside(document_files.keep, self.settings.data, document.facility_id, sha256, content)
        return (201 if new else 200), document

    @http("GET", "/facilities/<code>/documents/<sha256>", roles=STAFF, media="application/octet-stream",
          audit="read", refuses=(UnknownFacility, UnknownDocument),
          summary="The bytes of a photo or document")  # fmt: skip
    def read_document(self, call: Call, code: str, sha256: str) -> Response:
        facility = queries.get_facility(call.session, code)
        document = queries.get_document(call.session, facility.id or 0, sha256)
        content = aside(document_files.read, self.settings.data, document.facility_id, sha256)
        named = f"{SHOWN_AS[DocumentKind(document.kind)]}; filename*=UTF-8''{quote(document.file_name, safe='')}"
        return Response(
            content, content_type=document.media_type, headers=SENT_BY_PEOPLE | {"Content-Disposition": named}
        )

    @http("DELETE", "/facilities/<code>/documents/<sha256>", roles=WRITERS, status=204, transaction=False,
          refuses=(UnknownFacility, UnknownDocument),
          summary="Take a photo or document out of a facility's file")  # fmt: skip
    def remove_document(self, call: Call, code: str, sha256: str) -> None:
        with self.db.begin() as session:
            document = use_cases.remove_document(session, code, sha256=sha256, who=call.user.name)
        failpoints.pass_by("document-removed")
        with self.db.begin() as session:  # after the commit: bytes that a row still names are never lost
            if use_cases.is_unwanted(session, document.facility_id, sha256):
                document_files.drop(self.settings.data, document.facility_id, sha256)


def look_at(content: bytes, account: str) -> Content:
    """What the bytes are; a picture is decoded in a process of its own. Raises NotReadable, and TooMany."""
    if content.startswith(PDF):
        return Content(DocumentKind.DOCUMENT, "application/pdf", len(content))
    try:
        return Content(DocumentKind.PHOTO, pictures.look_at(content, account).media_type, len(content))
    except Unfit as wrong:
        raise NotReadable(f"This is no PDF either. {wrong}") from wrong
