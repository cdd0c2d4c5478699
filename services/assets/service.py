"""The edges of assets: its routes, the events it listens to, and its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.assets import figures, queries, tables, use_cases
from services.assets.domain.areas import Area, AreaTaken, Level, NoPolygon
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
from services.assets.schemas import (
    AreaIn,
    AreaOut,
    DeedOut,
    FacilitiesQuery,
    FacilityChangeIn,
    FacilityIn,
    FacilityOut,
    GridCellIn,
    KindOut,
    RateOut,
    RatesQuery,
    ReasonIn,
    ReturnIn,
)
from shared.auth import STAFF
from shared.errors import Stale
from shared.events.inspections import FindingConfirmed, LightsChecked
from shared.events.workorders import OrderClosed, OrderReopened, OrderVoided
from shared.fields import PageQuery
from shared.messaging import on
from shared.paging import Page
from shared.service import Service, every, on_start
from shared.web import Call, http

GEOJSON = "application/geo+json"
WRITERS = ("operator",)
REGISTERING = (CodeTaken, BadCode, UnknownKind, NotMeasurable)
CHANGING = (UnknownFacility, Stale, NotMeasurable)
ACTING = (UnknownFacility, Stale, IllegalChange)


def _as_geojson(page: Page) -> Response:
    """A page as a FeatureCollection; ``next`` stands beside the features."""
    features = [_as_feature(each) for each in FacilityOut().dump(page.items, many=True)]
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features, "next": page.next})
    return Response(body, content_type=GEOJSON)


def _as_feature(shown: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": shown["code"], "geometry": shown.pop("geometry"), "properties": shown}


class Assets(Service):
    """Facilities, their defects, the catalogue, areas, and the rates."""

    name = "assets"
    figures: ClassVar = figures
    metadata = tables.mapping.metadata

    # --- facilities

    @http("POST", "/facilities", roles=WRITERS, body=FacilityIn, answer=FacilityOut, status=201, natural_key="code",
          refuses=REGISTERING, summary="Register a facility")  # fmt: skip
    def register_facility(self, call: Call) -> Facility:
        return use_cases.register_facility(call.session, who=call.user.name, **call.body)

    @http("GET", "/facilities", roles=STAFF, query=FacilitiesQuery, answer=FacilityOut, paged=True,
          also_media=GEOJSON, summary="List facilities; as GeoJSON where application/geo+json is accepted")  # fmt: skip
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

    @http("GET", "/facilities/<code>/history", roles=STAFF, query=PageQuery, answer=DeedOut, paged=True,
          refuses=(UnknownFacility,), summary="List what happened in the life of a facility, oldest first")  # fmt: skip
    def list_history(self, call: Call, code: str) -> Page:
        return queries.list_history(call.session, code, **call.query)

    # --- catalogue, areas, rates

    @http("GET", "/kinds", roles=STAFF, answer=KindOut, paged=True, summary="List the kinds of the catalogue")
    def list_kinds(self, call: Call) -> Page:
        return queries.list_kinds()

    @http("GET", "/districts", roles=STAFF, query=PageQuery, answer=AreaOut, paged=True, summary="List districts")
    def list_districts(self, call: Call) -> Page:
        return queries.list_areas(call.session, level=Level.DISTRICT, **call.query)

    @http("POST", "/districts", roles=WRITERS, body=AreaIn, answer=AreaOut, status=201, natural_key="code",
          refuses=(AreaTaken, NoPolygon), summary="Draw a district, for what is registered later")  # fmt: skip
    def add_district(self, call: Call) -> Area:
        return use_cases.add_area(call.session, level=Level.DISTRICT, **call.body)

    @http("GET", "/grid-cells", roles=STAFF, query=PageQuery, answer=AreaOut, paged=True, summary="List grid cells")
    def list_grid_cells(self, call: Call) -> Page:
        return queries.list_areas(call.session, level=Level.GRID, **call.query)

    @http("POST", "/grid-cells", roles=WRITERS, body=GridCellIn, answer=AreaOut, status=201, natural_key="code",
          refuses=(AreaTaken, NoPolygon), summary="Draw a grid cell, for what is registered later")  # fmt: skip
    def add_grid_cell(self, call: Call) -> Area:
        return use_cases.add_area(call.session, level=Level.GRID, **call.body)

    @http("GET", "/rates", roles=STAFF, query=RatesQuery, answer=RateOut, paged=True,
          summary="Show the rates about facilities, with their terms and definitions")  # fmt: skip
    def list_rates(self, call: Call) -> Page:
        return queries.list_rates(call.session, **call.query)

    # --- events

    @on("assets.record_defects")
    def record_defects(self, session: Session, events: Sequence[FindingConfirmed]) -> None:
        use_cases.record_defects(session, events)

    @on("assets.follow_orders")
    def follow_orders(self, session: Session, events: Sequence[OrderClosed | OrderReopened | OrderVoided]) -> None:
        use_cases.follow_orders(session, events)

    @on("assets.record_looks")
    def record_looks(self, session: Session, events: Sequence[LightsChecked]) -> None:
        use_cases.record_looks(session, events)

    # --- jobs

    @on_start
    def publish_catalogue(self, session: Session) -> None:
        use_cases.publish_catalogue(session)

    @every(60)
    def expire_looks(self, session: Session) -> None:
        use_cases.expire_looks(session)
