"""The edges of inspections: its routes, and the events it listens to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.inspections import exports, figures, queries, tables, use_cases
from services.inspections.domain.findings import ALL, Finding, Sight
from services.inspections.domain.light_checks import LightCheck
from services.inspections.domain.rulebook import Source
from services.inspections.report.routes import ReportRoutes
from services.inspections.schemas import (
    ConfirmIn,
    FindingIn,
    FindingOut,
    FindingsExportQuery,
    FindingsQuery,
    LightCheckIn,
    LightCheckOut,
    LightCheckSummaryOut,
    MergeIn,
    MoveOut,
    RejectIn,
    SourceIn,
    SourceOut,
)
from shared.auth import User
from shared.errors import TooMany
from shared.events.assets import (
    AreaChanged,
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    FacilityRenumbered,
    LampMisbehaved,
    LightsJudged,
)
from shared.events.workorders import (
    OrderClosed,
    OrderCompleted,
    OrderCompletionUndone,
    OrderRegistered,
    OrderReopened,
    OrderSupervised,
    OrderVoided,
)
from shared.fields import PageQuery
from shared.lists import files
from shared.lists.exports import answer
from shared.lists.files import TooManyRows
from shared.messaging import UNHURRIED_S, on
from shared.paging import Page
from shared.service import Service
from shared.web import Call, http

OrderNews = OrderRegistered | OrderCompleted | OrderCompletionUndone | OrderSupervised
READERS = ("inspector", "operator", "dispatcher", "controller")
DECIDERS = ("operator", "dispatcher")


def sight_of(user: User) -> Sight:
    """An inspector sees what they reported themselves, a unit's people that and their unit's, everybody else all."""
    if user.role == "inspector":
        return Sight(user.name)
    return ALL if user.bound_unit is None else Sight(user.name, user.bound_unit)


def by(call: Call) -> dict[str, Any]:
    """Who decides, what they may see, and which revision they have seen."""
    return {"by": call.user.name, "sight": sight_of(call.user), "expected": call.expected}


class Inspections(ReportRoutes, Service):
    """Findings and lighting checks."""

    name = "inspections"
    figures: ClassVar = figures
    metadata = tables.mapping.metadata

    @http("POST", "/findings", roles=("inspector", "operator"), body=FindingIn, answer=FindingOut, status=201,
          summary="Report a finding")  # fmt: skip
    def report_finding(self, call: Call) -> Finding:
        return use_cases.report_finding(call.session, reporter=call.user.name, role=call.user.role, **call.body)

    @http("GET", "/findings", roles=READERS, audit="read", query=FindingsQuery, answer=FindingOut, paged=True,
          summary="List findings, newest first unless sorted otherwise; an inspector sees their own")  # fmt: skip
    def list_findings(self, call: Call) -> Page:
        return queries.find_findings(call.session, sight=sight_of(call.user), **call.query)

    @http("GET", "/findings/export", roles=READERS, audit="export", query=FindingsExportQuery,
          media=files.MEDIA[files.Format.CSV], also_media=(files.MEDIA[files.Format.XLSX],), transaction=False,
          heavy=True, refuses=(TooMany, TooManyRows), summary="Export findings as CSV or XLSX")  # fmt: skip
    def export_findings(self, call: Call) -> Response:
        chosen = files.Format(call.query["format"])
        asked = {"arguments": call.request.args.to_dict(), "sight": asdict(sight_of(call.user))}
        return answer(self.db, exports, asked, chosen=chosen, name="findings", media=files.MEDIA[chosen])

    @http(
        "GET", "/findings/<uuid:finding_id>", roles=READERS, audit="read", answer=FindingOut, summary="Show a finding"
    )
    def show_finding(self, call: Call, finding_id: UUID) -> Finding:
        return queries.get_finding(call.session, finding_id, sight=sight_of(call.user))

    @http("GET", "/findings/<uuid:finding_id>/moves", roles=READERS, audit="read", query=PageQuery, answer=MoveOut,
          paged=True, summary="List the moves of a finding's life")  # fmt: skip
    def list_moves(self, call: Call, finding_id: UUID) -> Page:
        return queries.find_moves(call.session, finding_id, sight=sight_of(call.user), **call.query)

    @http("POST", "/findings/<uuid:finding_id>/confirm", roles=DECIDERS, body=ConfirmIn, answer=FindingOut,
          summary="Confirm a reported finding")  # fmt: skip
    def confirm_finding(self, call: Call, finding_id: UUID) -> Finding:
        return use_cases.confirm_finding(call.session, finding_id=finding_id, **by(call), **call.body)

    @http("POST", "/findings/<uuid:finding_id>/reject", roles=DECIDERS, body=RejectIn, answer=FindingOut,
          summary="Reject a reported finding, with a reason")  # fmt: skip
    def reject_finding(self, call: Call, finding_id: UUID) -> Finding:
        return use_cases.reject_finding(call.session, finding_id=finding_id, **by(call), **call.body)

    @http("POST", "/findings/<uuid:finding_id>/merge", roles=DECIDERS, body=MergeIn, answer=FindingOut,
          summary="Merge a reported finding into an open one")  # fmt: skip
    def merge_finding(self, call: Call, finding_id: UUID) -> Finding:
        return use_cases.merge_finding(call.session, finding_id=finding_id, **by(call), **call.body)

    @http("GET", "/finding-sources", roles=READERS, query=PageQuery, answer=SourceOut, paged=True,
          summary="List where findings come from")  # fmt: skip
    def list_sources(self, call: Call) -> Page:
        return queries.find_sources(call.session, **call.query)

    @http("PUT", "/finding-sources/<string(maxlength=32):source>", roles=("admin",), body=SourceIn, answer=SourceOut,
          summary="Say how far a source is trusted")  # fmt: skip
    def set_source(self, call: Call, source: str) -> Source:
        return use_cases.set_source(call.session, source=source, expected=call.expected, **call.body)

    @http("POST", "/light-checks", roles=("inspector",), body=LightCheckIn, answer=LightCheckOut, status=201,
          summary="Report a night patrol's look at lamps")  # fmt: skip
    def check_lights(self, call: Call) -> LightCheck:
        return use_cases.check_lights(call.session, inspector=call.user.name, **call.body)

    @http("GET", "/light-checks", roles=READERS, audit="read", query=PageQuery, answer=LightCheckSummaryOut, paged=True,
          summary="List lighting checks; an inspector sees their own")  # fmt: skip
    def list_light_checks(self, call: Call) -> Page:
        return queries.find_light_checks(call.session, sight=sight_of(call.user), **call.query)

    @http(
        "GET",
        "/light-checks/<uuid:check_id>",
        roles=READERS,
        audit="read",
        answer=LightCheckOut,
        summary="Show a lighting check",
    )
    def show_light_check(self, call: Call, check_id: UUID) -> LightCheck:
        return queries.get_light_check(call.session, check_id, sight=sight_of(call.user))

    @on("inspections.note_links", rest_s=UNHURRIED_S)
    def note_links(self, session: Session, events: Sequence[DefectRecorded]) -> None:
        use_cases.note_links(session, events)

    @on("inspections.keep_codes")
    def keep_codes(self, session: Session, events: Sequence[FacilityRenumbered]) -> None:
        use_cases.keep_codes(session, events)

    @on("inspections.merge_duplicates")
    def merge_duplicates(self, session: Session, events: Sequence[DefectDuplicated]) -> None:
        use_cases.merge_duplicates(session, events)

    @on("inspections.follow_orders", rest_s=UNHURRIED_S)
    def follow_orders(self, session: Session, events: Sequence[OrderClosed | OrderReopened | OrderVoided]) -> None:
        use_cases.follow_orders(session, events)

    @on("inspections.keep_orders", rest_s=1.0)
    def keep_orders(self, session: Session, events: Sequence[OrderNews]) -> None:
        use_cases.keep_orders(session, events)

    @on("inspections.report_lamps")
    def report_lamps(self, session: Session, events: Sequence[LampMisbehaved]) -> None:
        use_cases.report_lamps(session, events)

    @on("inspections.follow_judgements")
    def follow_judgements(self, session: Session, events: Sequence[LightsJudged]) -> None:
        use_cases.follow_judgements(session, events)

    @on("inspections.keep_areas")
    def keep_areas(self, session: Session, events: Sequence[AreaChanged]) -> None:
        use_cases.keep_areas(session, events)

    @on("inspections.keep_catalogue")
    def keep_catalogue(self, session: Session, events: Sequence[CataloguePublished]) -> None:
        use_cases.keep_catalogue(session, events)
