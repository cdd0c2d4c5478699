"""Lamps: lighting schedules, and what controllers report."""

from __future__ import annotations

from services.assets.domain.facilities import UnknownFacility
from services.assets.domain.lighting import (
    LightingSchedule,
    NightIsOver,
    ScheduleTaken,
    UnknownSchedule,
    WrongSchedule,
)
from services.assets.domain.rates import DayBeforeRegistry
from services.assets.queries import lamps as queries
from services.assets.routes.roles import WRITERS
from services.assets.schemas.lamps import (
    LampNightOut,
    LampNightsQuery,
    LampStateOut,
    LampStatesIn,
    LampStatesQuery,
    NightOfLampOut,
    NightsQuery,
    PlannedNightOut,
    ScheduleChangeIn,
    ScheduleIn,
    ScheduleOut,
    TakenOut,
)
from services.assets.use_cases import lamps, lighting
from shared.auth import STAFF
from shared.errors import Stale
from shared.fields import PageQuery
from shared.paging import Page
from shared.web import Call, http

BODY_LIMIT = 2_000_000  # 5,000 states with long codes


class LampRoutes:
    @http("GET", "/lighting-schedules", roles=STAFF, query=PageQuery, answer=ScheduleOut, paged=True,
          summary="List lighting schedules")  # fmt: skip
    def list_schedules(self, call: Call) -> Page:
        return queries.list_schedules(call.session, **call.query)

    @http("POST", "/lighting-schedules", roles=WRITERS, body=ScheduleIn, answer=ScheduleOut, status=201,
          natural_key="code", refuses=(ScheduleTaken, NightIsOver, WrongSchedule),
          summary="Add a lighting schedule")  # fmt: skip
    def add_schedule(self, call: Call) -> LightingSchedule:
        return lighting.add_schedule(call.session, **call.body)

    @http("GET", "/lighting-schedules/<code>", roles=STAFF, answer=ScheduleOut, refuses=(UnknownSchedule,),
          summary="Show a lighting schedule")  # fmt: skip
    def show_schedule(self, call: Call, code: str) -> LightingSchedule:
        return queries.get_schedule(call.session, code)

    @http("PATCH", "/lighting-schedules/<code>", roles=WRITERS, body=ScheduleChangeIn, answer=ScheduleOut,
          refuses=(UnknownSchedule, Stale, NightIsOver, WrongSchedule),
          summary="Change a lighting schedule")  # fmt: skip
    def change_schedule(self, call: Call, code: str) -> LightingSchedule:
        return lighting.change_schedule(call.session, code, expected=call.expected, **call.body)

    @http("GET", "/lighting-schedules/<code>/nights", roles=STAFF, query=NightsQuery, answer=PlannedNightOut,
          paged=True, refuses=(UnknownSchedule,), summary="Show when lamps should burn on some nights")  # fmt: skip
    def list_planned_nights(self, call: Call, code: str) -> Page:
        return queries.list_planned_nights(call.session, code, **call.query)

    @http("POST", "/lamp-states", roles=("device",), body=LampStatesIn, answer=TakenOut, status=202,
          body_limit=BODY_LIMIT, summary="Take states of lamps; each is accepted or refused by itself")  # fmt: skip
    def take_lamp_states(self, call: Call) -> lamps.Taken:
        return lamps.take_states(call.session, batch=call.body["states"])

    @http("GET", "/lamp-states", roles=STAFF, query=LampStatesQuery, answer=LampStateOut, paged=True,
          summary="List the newest state of each lamp in service")  # fmt: skip
    def list_lamp_states(self, call: Call) -> Page:
        return queries.list_lamp_states(call.session, **call.query)

    @http("GET", "/lamp-nights", roles=STAFF, query=LampNightsQuery, answer=NightOfLampOut, paged=True,
          refuses=(DayBeforeRegistry,), summary="List the lamp-nights behind a metered light-on rate")  # fmt: skip
    def list_nights_behind(self, call: Call) -> Page:
        return queries.list_nights_behind(call.session, **call.query)

    @http("GET", "/lamp-states/<code>/nights", roles=STAFF, query=PageQuery, answer=LampNightOut, paged=True,
          refuses=(UnknownFacility,), summary="List the nights of a lamp, the newest first")  # fmt: skip
    def list_lamp_nights(self, call: Call, code: str) -> Page:
        return queries.list_lamp_nights(call.session, code, **call.query)
