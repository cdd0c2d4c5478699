"""What happens to facilities in their lives, and how many were installed, replaced, moved, removed."""

from __future__ import annotations

from services.assets import queries, use_cases
from services.assets.domain.areas import NoSuchArea, UnknownDistrict
from services.assets.domain.attributes import WrongAttribute
from services.assets.domain.facilities import (
    BadCode,
    CodeTaken,
    Facility,
    IllegalChange,
    NotMeasurable,
    UnknownFacility,
)
from services.assets.routes.roles import WRITERS
from services.assets.schemas.facilities import FacilityOut
from services.assets.schemas.lives import LifeCountOut, LifeCountsQuery, MoveIn, RenumberIn, ReplaceIn
from shared.auth import STAFF
from shared.errors import Stale
from shared.paging import Page
from shared.web import Call, http

LIVING = (UnknownFacility, Stale, IllegalChange)


class LifeRoutes:
    @http("POST", "/facilities/<code>/replace", roles=WRITERS, body=ReplaceIn, answer=FacilityOut,
          refuses=(*LIVING, CodeTaken, BadCode, NotMeasurable, WrongAttribute),
          summary="Say that another thing was put in a facility's place")  # fmt: skip
    def replace_facility(self, call: Call, code: str) -> Facility:
        return use_cases.replace_facility(call.session, code, who=call.user.name, expected=call.expected, **call.body)

    @http("POST", "/facilities/<code>/move", roles=WRITERS, body=MoveIn, answer=FacilityOut,
          refuses=(*LIVING, NotMeasurable, UnknownDistrict, NoSuchArea),
          summary="Say that a facility was moved to another place")  # fmt: skip
    def move_facility(self, call: Call, code: str) -> Facility:
        return use_cases.move_facility(call.session, code, who=call.user.name, expected=call.expected, **call.body)

    @http("POST", "/facilities/<code>/renumber", roles=WRITERS, body=RenumberIn, answer=FacilityOut,
          refuses=(*LIVING, CodeTaken, BadCode),
          summary="Give a facility another code; the old one still finds it")  # fmt: skip
    def renumber_facility(self, call: Call, code: str) -> Facility:
        return use_cases.renumber_facility(call.session, code, who=call.user.name, expected=call.expected, **call.body)

    @http("GET", "/facilities/life-counts", roles=STAFF, query=LifeCountsQuery, answer=LifeCountOut, paged=True,
          summary="Count what was installed, replaced, moved, renumbered and removed in a period")  # fmt: skip
    def count_lives(self, call: Call) -> Page:
        return queries.count_lives(call.session, **call.query)
