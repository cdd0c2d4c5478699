"""Drainage as a network: gaps, and what lies up and down of a pipe or a node."""

from __future__ import annotations

from typing import Any

from services.assets import queries
from services.assets.domain.facilities import UnknownFacility
from services.assets.domain.network import NotOfTheNetwork, Way
from services.assets.schemas.drainage import GapOut, GapsQuery, WalkOut, WalkQuery
from shared.auth import STAFF
from shared.paging import Page
from shared.web import Call, http

REFUSES = (UnknownFacility, NotOfTheNetwork)


class DrainageRoutes:
    @http("GET", "/drainage/gaps", roles=STAFF, query=GapsQuery, answer=GapOut, paged=True,
          summary="List the ends of pipes that meet no manhole, inlet or outfall")  # fmt: skip
    def list_gaps(self, call: Call) -> Page:
        return queries.list_gaps(call.session, **call.query)

    @http("GET", "/drainage/upstream", roles=STAFF, query=WalkQuery, answer=WalkOut, refuses=REFUSES,
          summary="Show what drains into a pipe or node")  # fmt: skip
    def go_upstream(self, call: Call) -> dict[str, Any]:
        return queries.walk_network(call.session, way=Way.UPSTREAM, **call.query)

    @http("GET", "/drainage/downstream", roles=STAFF, query=WalkQuery, answer=WalkOut, refuses=REFUSES,
          summary="Show where the water of a pipe or node goes")  # fmt: skip
    def go_downstream(self, call: Call) -> dict[str, Any]:
        return queries.walk_network(call.session, way=Way.DOWNSTREAM, **call.query)
