"""The rates."""

from __future__ import annotations

from services.assets import queries
from services.assets.domain.rates import DayBeforeRegistry, DayToCome
from services.assets.schemas.rates import RateOut, RatesQuery
from shared.auth import STAFF
from shared.paging import Page
from shared.web import Call, http


class RateRoutes:
    @http("GET", "/rates", roles=STAFF, query=RatesQuery, answer=RateOut, paged=True, heavy=True,
          refuses=(DayToCome, DayBeforeRegistry),
          summary="Show the rates about facilities, with their terms and definitions")  # fmt: skip
    def list_rates(self, call: Call) -> Page:
        return queries.list_rates(call.session, **call.query)
