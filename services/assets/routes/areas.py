"""Districts and grid cells."""

from __future__ import annotations

from services.assets import queries, use_cases
from services.assets.domain.areas import Area, AreaTaken, Level, NoPolygon
from services.assets.routes.roles import WRITERS
from services.assets.schemas.areas import AreaIn, AreaOut, GridCellIn
from shared.auth import STAFF
from shared.fields import PageQuery
from shared.paging import Page
from shared.web import Call, http


class AreaRoutes:
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
