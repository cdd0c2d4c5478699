"""Units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from services.assets import queries, use_cases
from services.assets.domain.units import UnitTaken, UnknownUnit
from services.assets.routes.roles import WRITERS
from services.assets.schemas.units import UnitChangeIn, UnitIn, UnitOut
from shared.auth import STAFF
from shared.errors import Stale
from shared.fields import PageQuery
from shared.paging import Page
from shared.web import Call, http


class UnitRoutes:
    @http("GET", "/units", roles=STAFF, query=PageQuery, answer=UnitOut, paged=True, summary="List units")
    def list_units(self, call: Call) -> Page:
        return queries.list_units(call.session, **call.query)

    @http("GET", "/units/<code>", roles=STAFF, answer=UnitOut, refuses=(UnknownUnit,), summary="Show a unit")
    def show_unit(self, call: Call, code: str) -> Row[Any]:
        return queries.get_unit(call.session, code)

    @http("POST", "/units", roles=WRITERS, body=UnitIn, answer=UnitOut, status=201, natural_key="code",
          refuses=(UnitTaken,), summary="Register a unit")  # fmt: skip
    def register_unit(self, call: Call) -> Mapping[str, Any]:
        return use_cases.add_unit(call.session, **call.body)

    @http("PATCH", "/units/<code>", roles=WRITERS, body=UnitChangeIn, answer=UnitOut, refuses=(UnknownUnit, Stale),
          summary="Change a unit's names or roles")  # fmt: skip
    def change_unit(self, call: Call, code: str) -> Mapping[str, Any]:
        return use_cases.change_unit(call.session, code, changes=call.body, expected=call.expected)
