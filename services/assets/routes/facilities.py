"""Facilities: registering, changing, listing, and their history."""

from __future__ import annotations

from typing import Any

import msgspec
from werkzeug.wrappers import Response

from services.assets import queries, use_cases
from services.assets.domain.areas import NoSuchArea, UnknownDistrict
from services.assets.domain.attributes import WrongAttribute
from services.assets.domain.facilities import (
    Action,
    BadCode,
    CodeTaken,
    Facility,
    IllegalChange,
    NotMeasurable,
    UnknownFacility,
    UnknownKind,
)
from services.assets.domain.rates import DayBeforeRegistry, DayToCome
from services.assets.domain.viewers import UNITS, BoundToUnit
from services.assets.routes.roles import WRITERS, must_be_unbound, viewer_of
from services.assets.schemas.facilities import (
    DeedOut,
    FacilitiesQuery,
    FacilityChangeIn,
    FacilityIn,
    FacilityOut,
    ReasonIn,
    ReturnIn,
)
from shared.auth import STAFF
from shared.errors import Stale
from shared.field.outlines import PlaceSwapped
from shared.fields import PageQuery
from shared.paging import Page
from shared.web import Call, http

GEOJSON = "application/geo+json"
AREAS = (UnknownDistrict, NoSuchArea)
REGISTERING = (CodeTaken, BadCode, UnknownKind, NotMeasurable, PlaceSwapped, WrongAttribute, BoundToUnit, *AREAS)
CHANGING = (UnknownFacility, Stale, NotMeasurable, PlaceSwapped, WrongAttribute, BoundToUnit, *AREAS)
ACTING = (UnknownFacility, Stale, IllegalChange)


def _as_geojson(page: Page) -> Response:
    """A page as a FeatureCollection; ``next`` stands beside the features."""
    features = [_as_feature(each) for each in FacilityOut().dump(page.items, many=True)]
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features, "next": page.next})
    return Response(body, content_type=GEOJSON)


def _as_feature(shown: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": shown["code"], "geometry": shown.pop("geometry"), "properties": shown}


class FacilityRoutes:
    @http("POST", "/facilities", roles=WRITERS, body=FacilityIn, answer=FacilityOut, status=201, natural_key="code",
          refuses=REGISTERING, summary="Register a facility")  # fmt: skip
    def register_facility(self, call: Call) -> Facility:
        if any(call.body.get(name) for name in UNITS):
            must_be_unbound(call.user)
        return use_cases.register_facility(call.session, who=call.user.name, **call.body)

    @http("GET", "/facilities", roles=STAFF, query=FacilitiesQuery, answer=FacilityOut, paged=True,
          also_media=(GEOJSON,), refuses=(DayToCome, DayBeforeRegistry),
          summary="List facilities; as GeoJSON where application/geo+json is accepted")  # fmt: skip
    def list_facilities(self, call: Call) -> Page | Response:
        page = queries.list_facilities(call.session, **call.query)
        return _as_geojson(page) if call.wants(GEOJSON) else page

    @http("GET", "/facilities/<code>", roles=STAFF, answer=FacilityOut, refuses=(UnknownFacility,),
          summary="Show a facility")  # fmt: skip
    def show_facility(self, call: Call, code: str) -> Facility:
        return queries.get_facility(call.session, code)

    @http("PATCH", "/facilities/<code>", roles=WRITERS, body=FacilityChangeIn, answer=FacilityOut, refuses=CHANGING,
          summary="Change what was registered of a facility")  # fmt: skip
    def revise_facility(self, call: Call, code: str) -> Facility:
        if any(name in call.body for name in UNITS):
            must_be_unbound(call.user)
        return use_cases.revise_facility(call.session, code, who=call.user.name, expected=call.expected, **call.body)

    @http("POST", "/facilities/<code>/put-out-of-service", roles=WRITERS, body=ReasonIn, answer=FacilityOut,
          refuses=ACTING, summary="Put a facility out of service, with the reason")  # fmt: skip
    def put_out_of_service(self, call: Call, code: str) -> Facility:
        return self._act(call, code, Action.PUT_OUT_OF_SERVICE)

    @http("POST", "/facilities/<code>/return-to-service", roles=WRITERS, body=ReturnIn, answer=FacilityOut,
          refuses=ACTING, summary="Bring a facility back into service")  # fmt: skip
    def return_to_service(self, call: Call, code: str) -> Facility:
        return self._act(call, code, Action.RETURN_TO_SERVICE)

    @http("POST", "/facilities/<code>/retire", roles=WRITERS, body=ReasonIn, answer=FacilityOut,
          refuses=ACTING, summary="Retire a facility for good")  # fmt: skip
    def retire(self, call: Call, code: str) -> Facility:
        return self._act(call, code, Action.RETIRE)

    def _act(self, call: Call, code: str, action: Action) -> Facility:
        return use_cases.act_on_facility(
            call.session, code, action=action, who=call.user.name, expected=call.expected, **call.body
        )

    @http("GET", "/facilities/<code>/history", roles=STAFF, audit="read", query=PageQuery, answer=DeedOut, paged=True,
          refuses=(UnknownFacility,), summary="List what happened in the life of a facility, oldest first")  # fmt: skip
    def list_history(self, call: Call, code: str) -> Page:
        return queries.list_history(call.session, code, viewer=viewer_of(call.user), **call.query)
