"""Imports: sending a file, following it, what was refused, and saved profiles."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from werkzeug.wrappers import Response

from services.assets.domain.facilities import UnknownKind
from services.assets.domain.imports import UnknownImport, UnknownProfile
from services.assets.domain.viewers import BoundToUnit
from services.assets.queries import imports as queries
from services.assets.routes.importer import Importer
from services.assets.routes.roles import WRITERS, must_be_unbound
from services.assets.routes.uploads import FORM, receive_form
from services.assets.schemas.imports import ImportIn, ImportOut, ProfileIn, ProfileOut
from services.assets.schemas.noted_rows import as_csv
from services.assets.use_cases import imports as use_cases
from shared.db import Database
from shared.errors import Stale
from shared.fields import PageQuery
from shared.paging import Page
from shared.settings import Settings
from shared.web import Call, http

CSV = "text/csv"


class ImportRoutes:
    db: Database
    settings: Settings
    importer = Importer()

    @http("POST", "/facilities/imports", roles=WRITERS, body=ImportIn, reads=FORM, receive=receive_form,
          answer=ImportOut, status=202, refuses=(UnknownKind, UnknownProfile, BoundToUnit),
          summary="Import a file of facilities; it is carried out beside the service")  # fmt: skip
    def import_facilities(self, call: Call) -> dict[str, Any]:
        must_be_unbound(call.user)
        upload = call.body["file"]
        ordered = use_cases.order_import(
            call.session,
            import_id=call.body.get("id") or _id_of(call),
            file_name=upload["name"],
            size=upload["bytes"],
            options=call.body.get("options", {}),
            profile=call.body.get("profile"),
            who=call.user.name,
        )
        spool: Any = call.request.files["file"].stream
        use_cases.keep_file(use_cases.folder_of(self.settings.data), ordered["id"], spool.path)
        return ordered

    @http("GET", "/facilities/imports", roles=WRITERS, audit="read", query=PageQuery, answer=ImportOut, paged=True,
          summary="List imports, the newest first")  # fmt: skip
    def list_imports(self, call: Call) -> Page:
        return queries.list_imports(call.session, **call.query)

    @http("GET", "/facilities/imports/<uuid:import_id>", roles=WRITERS, audit="read", answer=ImportOut,
          refuses=(UnknownImport,),
          summary="Show an import: what was understood, how far it is, what came of it")  # fmt: skip
    def show_import(self, call: Call, import_id: UUID) -> dict[str, Any]:
        return queries.get_import(call.session, import_id)

    @http("GET", "/facilities/imports/<uuid:import_id>/rejects.csv", roles=WRITERS, audit="export", media=CSV,
          transaction=False, refuses=(UnknownImport,),
          summary="The refused rows as they came, with line, rule and reason")  # fmt: skip
    def show_rejects(self, call: Call, import_id: UUID) -> Response:
        return self._noted(import_id, repaired=False)

    @http("GET", "/facilities/imports/<uuid:import_id>/repairs.csv", roles=WRITERS, audit="export", media=CSV,
          transaction=False, refuses=(UnknownImport,),
          summary="The rows that were repaired, of each rule the first thousand")  # fmt: skip
    def show_repairs(self, call: Call, import_id: UUID) -> Response:
        return self._noted(import_id, repaired=True)

    def _noted(self, import_id: UUID, *, repaired: bool) -> Response:
        with self.db.read() as session:
            columns = queries.columns_of(session, import_id)
        name = f"{'repairs' if repaired else 'rejects'}-{import_id}.csv"
        lines = as_csv(self.db, import_id, columns, repaired=repaired)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(lines, content_type=f"{CSV}; charset=utf-8", headers=headers)

    @http("GET", "/facilities/imports/profiles", roles=WRITERS, query=PageQuery, answer=ProfileOut, paged=True,
          summary="List import profiles")  # fmt: skip
    def list_import_profiles(self, call: Call) -> Page:
        return queries.list_profiles(call.session, **call.query)

    @http("GET", "/facilities/imports/profiles/<name>", roles=WRITERS, answer=ProfileOut, refuses=(UnknownProfile,),
          summary="Show an import profile")  # fmt: skip
    def show_import_profile(self, call: Call, name: str) -> Any:
        return queries.get_profile(call.session, name)

    @http("PUT", "/facilities/imports/profiles/<name>", roles=WRITERS, body=ProfileIn, answer=ProfileOut,
          refuses=(UnknownKind, Stale), summary="Save how the files of one kind are read")  # fmt: skip
    def save_import_profile(self, call: Call, name: str) -> Any:
        return use_cases.save_profile(call.session, name=name, expected=call.expected, **call.body)

    @http("DELETE", "/facilities/imports/profiles/<name>", roles=WRITERS, status=204, refuses=(UnknownProfile,),
          summary="Delete an import profile")  # fmt: skip
    def delete_import_profile(self, call: Call, name: str) -> None:
        use_cases.delete_profile(call.session, name)


def _id_of(call: Call) -> UUID:
    """The same command gets the same id, so that its file has one place only."""
    return uuid5(NAMESPACE_URL, call.command.key) if call.command else uuid4()
