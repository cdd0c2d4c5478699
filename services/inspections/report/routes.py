"""The report page: a form, what came of it, and what was wrong with it."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.wrappers import Response

from services.inspections import queries, use_cases
from services.inspections.domain.findings import Finding, FindingExists, UnknownFinding
from services.inspections.domain.places import FarFromCity
from services.inspections.domain.rulebook import Severity, UnknownCategory
from services.inspections.report.bound import Hourly, TooManyReports
from services.inspections.report.choices import Choices, choices
from services.inspections.report.form import LINKED, Typed, mistakes, read, served
from services.inspections.report.words import WORDS
from shared import clock
from shared.auth import PUBLIC
from shared.db import Database
from shared.errors import UnsupportedMedia
from shared.screens import HTML, Pages, language_of
from shared.settings import Settings
from shared.web import Call, http

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 64_000  # bytes: some 7,000 Chinese characters, so that who wrote too much gets it back
CITIZEN = "citizen"
REPORTER = "/report/"  # no account has a name with a slash in it, and so none sees these as its own
PAGES = Pages(Path(__file__).parent, WORDS)
OWN = "private, no-cache"  # a form that a cache gave to two people would make one report of theirs
HOURLY = Hourly()


class ReportRoutes:
    db: Database
    settings: Settings

    @http("GET", "/report/", roles=PUBLIC, prefix="", media=HTML, transaction=False,
          summary="The form for reports of the public; facility, kind, lon, lat and lang fill it in")  # fmt: skip
    def show_report_form(self, call: Call) -> Response:
        typed = served(call.request.args)
        return self._form(call, typed, self._choices(typed), {})

    @http("POST", "/report/", roles=PUBLIC, prefix="", media=HTML, status=201, reads=FORM, transaction=False,
          body_limit=LARGEST_FORM, refuses=(TooManyReports,),
          summary="Report a problem, without an account")  # fmt: skip
    def take_report(self, call: Call) -> Response:
        if call.request.mimetype != FORM:
            raise UnsupportedMedia(f"The body is {call.request.mimetype or 'of no kind'}; this reads {FORM}.")
        typed = read(call.request.form)
        offered = self._choices(typed)
        if wrong := mistakes(typed, offered):
            return self._form(call, typed, offered, wrong, status=422)
        try:
            return self._answer(call, typed, offered, self._known(typed) or self._report(call, typed))
        except UnknownCategory:  # of an edition that we read a moment later than the form's
            return self._form(call, typed, offered, {"category": "choose"}, status=422)
        except FarFromCity:
            return self._form(call, typed.without_place(), offered, {"facility": "far"}, status=422)
        except TooManyReports as refused:
            return self._come_later(call, typed, offered, refused.retry_after_s or 0)

    def _choices(self, typed: Typed) -> Choices:
        with self.db.look() as session:
            return choices(session, typed.kind)

    def _known(self, typed: Typed) -> Finding | None:
        """What the same form with the same in it has become."""
        try:
            with self.db.look() as session:
                return queries.get_finding(session, typed.finding_id)
        except UnknownFinding:
            return None

    def _report(self, call: Call, typed: Typed) -> Finding:
        """Raises FarFromCity, TooManyReports, UnknownCategory."""
        HOURLY.take(call.request.remote_addr or "", self.settings.reports_per_address)
        facts: dict[str, Any] = {
            "id": typed.finding_id, "category": typed.category, "severity": Severity.NORMAL,
            "facility_code": typed.facility or None, "location": typed.location, "description": typed.words,
            "found_at": clock.now(),
        }  # fmt: skip
        try:
            with self.db.begin() as session:
                return use_cases.report_finding(session, reporter=REPORTER, role=PUBLIC[0], source=CITIZEN, **facts)
        except FindingExists:  # sent twice at once
            with self.db.look() as session:
                return queries.get_finding(session, typed.finding_id)

    def _form(
        self, call: Call, typed: Typed, offered: Choices, wrong: dict[str, str], *, status: int = 200, **said: Any
    ) -> Response:
        to = f"/report/?{urlencode({'lang': language_of(call.request)})}"
        shown = {"typed": typed, "offered": offered, "city": offered.city, "wrong": wrong, "to": to, "later": None}
        return PAGES.show(call.request, "form.html", status=status, cache=OWN, **shown | said)

    def _come_later(self, call: Call, typed: Typed, offered: Choices, seconds: int) -> Response:
        response = self._form(call, typed, offered, {}, status=429, later=ceil(seconds / 60))
        response.headers["Retry-After"] = str(seconds)
        return response

    def _answer(self, call: Call, typed: Typed, offered: Choices, finding: Finding) -> Response:
        language = {"lang": language_of(call.request)}
        about = {name: value for name in LINKED if (value := getattr(typed, name))}
        return PAGES.show(
            call.request,
            "arrived.html",
            status=201,
            cache=OWN,
            city=offered.city,
            finding=finding,
            back=f"/f/{quote(typed.facility, safe='')}?{urlencode(language)}" if typed.facility else None,
            again=f"/report/?{urlencode(about | language)}",
        )
