"""The edges of alerts: its routes, the live stream, what it hears of, and the job that watches sensors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.alerts import figures, queries, tables
from services.alerts.domain.alerts import Alert, Rule
from services.alerts.domain.sensors import Sensor
from services.alerts.schemas import (
    ActionIn,
    AlertDetailOut,
    AlertOut,
    AlertsQuery,
    ReadingOut,
    ReadingsIn,
    RuleIn,
    RuleOut,
    RulePatch,
    SensorIn,
    SensorOut,
    SensorPatch,
    SensorsQuery,
    SilenceIn,
    TakenOut,
)
from services.alerts.stream import feed_of, last_id
from services.alerts.use_cases import categories, handling, places, readings, rules, sensors, watching
from services.alerts.use_cases.readings import Taken
from shared import clock
from shared.events.assets import AreaChanged, CataloguePublished
from shared.fields import PageQuery
from shared.messaging import on
from shared.paging import Page
from shared.service import Service, every_few
from shared.web import STREAM, Call, event_stream, http

READERS = ("controller", "dispatcher", "operator")
ADMIN = ("admin",)
CONTROLLER = ("controller",)
DEVICE = ("device",)
WATCH_EVERY_S = 5
LISTENING_SINCE = time.monotonic()


class Alerts(Service):
    """Sensors, their readings, the alerts that they raise, and the rules for emergency orders."""

    name = "alerts"
    figures: ClassVar = figures
    metadata = tables.mapping.metadata

    @http("POST", "/sensors", roles=ADMIN, body=SensorIn, answer=SensorOut, status=201, natural_key="code",
          summary="Register a sensor")  # fmt: skip
    def register_sensor(self, call: Call) -> Sensor:
        return sensors.register_sensor(call.session, **call.body)

    @http("GET", "/sensors", roles=READERS, query=SensorsQuery, answer=SensorOut, paged=True, summary="List sensors")
    def list_sensors(self, call: Call) -> Page:
        return queries.find_sensors(call.session, **call.query)

    @http("GET", "/sensors/<string:code>", roles=READERS, answer=SensorOut, summary="Show a sensor")
    def show_sensor(self, call: Call, code: str) -> Sensor:
        return queries.get_sensor(call.session, code)

    @http("PATCH", "/sensors/<string:code>", roles=ADMIN, body=SensorPatch, answer=SensorOut,
          summary="Change a sensor's thresholds and the like")  # fmt: skip
    def change_sensor(self, call: Call, code: str) -> Sensor:
        return sensors.change_sensor(call.session, code=code, expected=call.expected, **call.body)

    @http("GET", "/sensors/<string:code>/readings", roles=READERS, query=PageQuery, answer=ReadingOut, paged=True,
          summary="List a sensor's readings, the newest first")  # fmt: skip
    def list_readings(self, call: Call, code: str) -> Page:
        return queries.find_readings(call.session, code, **call.query)

    @http("POST", "/readings", roles=DEVICE, body=ReadingsIn, answer=TakenOut, status=202,
          summary="Take readings; each is accepted or refused by itself")  # fmt: skip
    def take_readings(self, call: Call) -> Taken:
        return readings.take_readings(call.session, batch=call.body["readings"])

    @http("GET", "/rules", roles=READERS, query=PageQuery, answer=RuleOut, paged=True,
          summary="List the rules in the order in which they are tried")  # fmt: skip
    def list_rules(self, call: Call) -> Page:
        return queries.find_rules(call.session, **call.query)

    @http("POST", "/rules", roles=ADMIN, body=RuleIn, answer=RuleOut, status=201,
          summary="Add a rule that says when an alert opens an emergency order")  # fmt: skip
    def add_rule(self, call: Call) -> Rule:
        return rules.add_rule(call.session, **call.body)

    @http("GET", "/rules/<uuid:rule_id>", roles=READERS, answer=RuleOut, summary="Show a rule")
    def show_rule(self, call: Call, rule_id: UUID) -> Rule:
        return queries.get_rule(call.session, rule_id)

    @http("PATCH", "/rules/<uuid:rule_id>", roles=ADMIN, body=RulePatch, answer=RuleOut, summary="Change a rule")
    def change_rule(self, call: Call, rule_id: UUID) -> Rule:
        return rules.change_rule(call.session, rule_id=rule_id, expected=call.expected, **call.body)

    @http("GET", "/alerts", roles=READERS, query=AlertsQuery, answer=AlertOut, paged=True,
          summary="List alerts, the newest first")  # fmt: skip
    def list_alerts(self, call: Call) -> Page:
        return queries.find_alerts(call.session, **call.query)

    @http("GET", "/alerts/stream", roles=READERS, media=STREAM, transaction=False,
          summary="Follow alerts live: all active ones first, then each change; resumes by Last-Event-ID")  # fmt: skip
    def stream_alerts(self, call: Call) -> Response:
        def ended() -> bool:
            return self.site.closing or clock.now().timestamp() >= call.user.expires_at

        seen = last_id(call.request.headers.get("Last-Event-ID"))
        return event_stream(call, feed_of(self.db).follow(seen, ended))

    @http("GET", "/alerts/<uuid:alert_id>", roles=READERS, answer=AlertDetailOut, summary="Show an alert and its log")
    def show_alert(self, call: Call, alert_id: UUID) -> Alert:
        return queries.get_alert(call.session, alert_id)

    @http("POST", "/alerts/<uuid:alert_id>/acknowledge", roles=CONTROLLER, body=ActionIn, answer=AlertOut,
          summary="Take an alert")  # fmt: skip
    def acknowledge_alert(self, call: Call, alert_id: UUID) -> Alert:
        return handling.acknowledge_alert(
            call.session, alert_id=alert_id, by=call.user.name, expected=call.expected, **call.body
        )

    @http("POST", "/alerts/<uuid:alert_id>/escalate", roles=CONTROLLER, body=ActionIn, answer=AlertOut,
          summary="Call for more")  # fmt: skip
    def escalate_alert(self, call: Call, alert_id: UUID) -> Alert:
        return handling.escalate_alert(
            call.session, alert_id=alert_id, by=call.user.name, expected=call.expected, **call.body
        )

    @http("POST", "/alerts/<uuid:alert_id>/clear", roles=CONTROLLER, body=ActionIn, answer=AlertOut,
          summary="End an alert by hand")  # fmt: skip
    def clear_alert(self, call: Call, alert_id: UUID) -> Alert:
        return handling.clear_alert(
            call.session, alert_id=alert_id, by=call.user.name, expected=call.expected, **call.body
        )

    @http("POST", "/alerts/<uuid:alert_id>/silence", roles=CONTROLLER, body=SilenceIn, answer=AlertOut,
          summary="Keep an alert quiet for a while")  # fmt: skip
    def silence_alert(self, call: Call, alert_id: UUID) -> Alert:
        return handling.silence_alert(
            call.session, alert_id=alert_id, by=call.user.name, expected=call.expected, **call.body
        )

    @http("POST", "/alerts/<uuid:alert_id>/unsilence", roles=CONTROLLER, body=ActionIn, answer=AlertOut,
          summary="End an alert's silence")  # fmt: skip
    def unsilence_alert(self, call: Call, alert_id: UUID) -> Alert:
        return handling.unsilence_alert(
            call.session, alert_id=alert_id, by=call.user.name, expected=call.expected, **call.body
        )

    @on("alerts.keep_areas")
    def keep_areas(self, session: Session, events: Sequence[AreaChanged]) -> None:
        places.keep_areas(session, events)

    @on("alerts.keep_catalogue")
    def keep_catalogue(self, session: Session, events: Sequence[CataloguePublished]) -> None:
        categories.keep_catalogue(session, events)

    @every_few(WATCH_EVERY_S)
    def watch_sensors(self) -> None:
        heard_s = time.monotonic() - LISTENING_SINCE
        with self.db.read() as session:
            due = watching.find_due(session, heard_s)
        for start in range(0, len(due), watching.FEW):
            with self.db.begin() as session:
                watching.settle(session, due[start : start + watching.FEW], heard_s)
