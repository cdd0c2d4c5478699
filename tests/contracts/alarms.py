"""For each alarm: figures under which it sounds, and figures under which it does not. In promtool's notation."""

from __future__ import annotations

from dataclasses import dataclass

UP = 'up{job="waywarden", instance="a"}'
DURATION = 'waywarden_entrypoint_duration_seconds_bucket{service="a", entrypoint="e", le="%s"}'
DOUBT = 'waywarden_alerts_active{kind="doubt", severity="major", district="d", acknowledged="%s"}'
Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Looked at ``at``, with a value each minute."""

    sounds: Series
    silent: Series
    at: str = "30m"


def rising(name: str, by: int = 1) -> Case:
    """Sounds when the counter moves."""
    return Case({name: f"0+{by}x180"}, {name: "7x180"})


def above(name: str, sounds: str, silent: str, at: str = "30m") -> Case:
    return Case({name: f"{sounds}x180"}, {name: f"{silent}x180"}, at)


CASES: dict[str, Case] = {
    "WaywardenProcessGone": above(UP, "0", "1"),
    "WaywardenDatabaseAway": above('waywarden_database_up{service="a"}', "0", "1"),
    "WaywardenDatabaseTakesNoWrites": above('waywarden_database_writable{service="a"}', "0", "1"),
    "WaywardenDeadLetters": above('waywarden_dead_letters{service="a"}', "1", "0"),
    "WaywardenEventsDoNotLeave": above('waywarden_outbox_oldest_seconds{service="a"}', "61", "59"),
    "WaywardenEventsRetried": above('waywarden_retries{service="a"}', "1", "0", at="90m"),
    "WaywardenQueueMissing": rising('waywarden_unrouted_events_total{service="a"}'),
    "WaywardenEventsComeAgain": above('waywarden_event_deliveries_highest{queue="a.b"}', "6", "5"),
    "WaywardenBrokerDropsEvents": Case(
        {'waywarden_broker_delivery_limit{service="a"}': "20x60"},
        {'waywarden_broker_delivery_limit{service="a"}': " ".join(["+Inf"] * 60)},
    ),
    "WaywardenBrokerBlocked": above('waywarden_broker_blocked{service="a"}', "1", "0"),
    "WaywardenFailures": rising('waywarden_entrypoint_failures_total{service="a", entrypoint="e"}'),
    "WaywardenSlow": Case(
        {DURATION % "1": "0+50x60", DURATION % "2.5": "0+100x60", DURATION % "+Inf": "0+100x60"},
        {DURATION % "1": "0+100x60", DURATION % "2.5": "0+100x60", DURATION % "+Inf": "0+100x60"},
    ),
    "WaywardenCatalogueRefused": above("waywarden_catalogue_refused", "1", "0"),
    "WaywardenAreasNotFollowed": Case(
        {"waywarden_area_sweeps": "3x180"}, {"waywarden_area_sweeps": "3 3 3 0 3 3 0x174"}, at="170m"
    ),
    "WaywardenQueueGrows": Case(
        {'rabbitmq_queue_messages{queue="assets.a"}': "1000+10x60"},
        {'rabbitmq_queue_messages{queue="assets.a"}': "1000-10x60", 'rabbitmq_queue_messages{queue="else"}': "0+90x60"},
    ),
    "WaywardenAuditLost": rising("waywarden_audit_lost_total"),
    "WaywardenSensorsSilent": above('waywarden_sensors_silent{kind="water_level", district="d"}', "1", "0"),
    "WaywardenGaugesInDoubt": Case(
        {DOUBT % "false": "1x180"}, {DOUBT % "true": "1x180", DOUBT.replace("doubt", "water_level") % "false": "1x180"}
    ),
    "WaywardenAlertsWithoutOrder": above('waywarden_alerts_without_open_order{state="closed", district="d"}', "1", "0"),
    "WaywardenReadingsRefused": rising('waywarden_readings_rejected_total{kind="rain", reason="too-high"}'),
}
