"""Events are a published contract: what is written, what is read, who hears it, and that it names nobody."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, ClassVar, get_args, get_type_hints

import pytest

from shared.envelope import Unreadable, unseal
from shared.events import Event, assets, inspections
from shared.events.queues import QUEUES, SERVICES, exchange_of, subscribers_of
from tests.contracts.examples import EVENT_ID, GOLDEN, example, golden_file, written

KINDS = sorted(Event.known.items())
every_event = pytest.mark.parametrize(("event_type", "kind"), KINDS, ids=[name for name, _ in KINDS])

# Each name was looked at: none of them holds who a person is. `summary` holds only words that staff wrote, with what
# looks like a number, an address or a name struck out; `reporter_mark` tells nothing to who asks of nobody by name.
FIELD_NAMES = [
    "acknowledged",
    "active",
    "alert_id",
    "area_m2",
    "authority",
    "breaks_function",
    "catalogue",
    "category",
    "check_id",
    "code",
    "condition",
    "confirmed_at",
    "created",
    "crew",
    "disposal_known_at",
    "disposed_at",
    "district",
    "done_at",
    "due_at",
    "duplicate_of",
    "east",
    "expected_every_s",
    "facility_code",
    "finding_id",
    "former_code",
    "former_codes",
    "found_at",
    "grid",
    "happened_at",
    "import_id",
    "kind",
    "kinds",
    "lamps",
    "last_at",
    "latitude",
    "level",
    "linked_by",
    "lit",
    "longitude",
    "maintainer",
    "measure",
    "merged_into",
    "missing",
    "name",
    "name_zh",
    "night",
    "north",
    "number",
    "open",
    "order_category",
    "outline",
    "owner",
    "parent",
    "photos",
    "planned",
    "quantity",
    "reason",
    "recorded_at",
    "registered_at",
    "rejected",
    "repaired",
    "report_id",
    "reported_at",
    "reporter_mark",
    "retired",
    "revision",
    "rework_count",
    "roles",
    "rows",
    "rule",
    "seen_at",
    "severity",
    "since",
    "source",
    "south",
    "state",
    "street",
    "summary",
    "supervised",
    "unchanged",
    "unit",
    "updated",
    "value",
    "warn_at",
    "west",
]

BINDINGS = {
    "alerts.keep_areas": ["assets.area_changed.v1"],
    "alerts.keep_catalogue": ["assets.catalogue_published.v1"],
    "assets.follow_orders": [
        "workorders.order_closed.v1", "workorders.order_reopened.v1", "workorders.order_voided.v1",
    ],
    "assets.keep_orders": [
        "workorders.order_closed.v1", "workorders.order_completed.v1", "workorders.order_dispatched.v1",
        "workorders.order_registered.v1", "workorders.order_reopened.v1", "workorders.order_voided.v1",
    ],
    "assets.keep_declined_orders": ["workorders.order_declined.v1"],
    "assets.record_defects": ["inspections.finding_confirmed.v1"],
    "assets.judge_looks": ["inspections.lights_checked.v1"],
    "assets.record_looks": ["inspections.lights_checked.v1"],
    "inspections.follow_orders": [
        "workorders.order_closed.v1", "workorders.order_reopened.v1", "workorders.order_voided.v1",
    ],
    "inspections.keep_orders": [
        "workorders.order_completed.v1", "workorders.order_completion_undone.v1", "workorders.order_registered.v1",
        "workorders.order_supervised.v1",
    ],
    "inspections.follow_judgements": ["assets.lights_judged.v1"],
    "inspections.keep_areas": ["assets.area_changed.v1"],
    "inspections.keep_catalogue": ["assets.catalogue_published.v1"],
    "inspections.note_links": ["assets.defect_recorded.v1"],
    "inspections.keep_codes": ["assets.facility_renumbered.v1"],
    "workorders.keep_codes": ["assets.facility_renumbered.v1"],
    "inspections.report_lamps": ["assets.lamp_misbehaved.v1"],
    "inspections.merge_duplicates": ["assets.defect_duplicated.v1"],
    "workorders.void_duplicates": ["assets.defect_duplicated.v1"],
    "workorders.note_sightings": ["inspections.finding_seen_again.v1"],
    "workorders.keep_areas": ["assets.area_changed.v1"],
    "workorders.keep_catalogue": ["assets.catalogue_published.v1"],
    "workorders.keep_units": ["assets.unit_changed.v1"],
    "workorders.keep_finding_photos": [
        "inspections.finding_merged.v1", "inspections.finding_rejected.v1", "inspections.finding_reported.v1",
    ],
    "workorders.open_for_alerts": ["alerts.alert_escalated.v1", "alerts.alert_raised.v1"],
    "workorders.follow_alerts": ["alerts.alert_moved.v1"],
    "workorders.end_alerts": ["alerts.alert_cleared.v1"],
    "workorders.open_for_defects": ["assets.defect_recorded.v1"],
}  # fmt: skip


def golden(event_type: str) -> Any:
    path = golden_file(event_type)
    assert path.exists(), f"{path.name} is missing: python -m tests.contracts.examples"
    return json.loads(path.read_text())


@every_event
def test_the_written_form_is_the_golden_file(event_type: str, kind: type[Event]) -> None:
    assert written(kind) == golden(event_type)


@every_event
def test_the_golden_file_reads_into_the_event(event_type: str, kind: type[Event]) -> None:
    assert unseal(event_type, json.dumps(golden(event_type))) == (EVENT_ID, example(kind))


@every_event
def test_fields_that_we_do_not_know_are_passed_over(event_type: str, kind: type[Event]) -> None:
    later = golden(event_type)
    later["traceparent"] = "00-0af7"
    later["data"]["added_in_a_later_release"] = {"a": [1]}
    assert unseal(event_type, json.dumps(later)) == (EVENT_ID, example(kind))


@every_event
def test_an_event_without_its_optional_fields_is_read(event_type: str, kind: type[Event]) -> None:
    """As written before those fields were added."""
    older = golden(event_type)
    optional = [each for each in fields(kind) if each.default is not MISSING or each.default_factory is not MISSING]
    for each in optional:
        del older["data"][each.name]
    _, event = unseal(event_type, json.dumps(older))
    assert isinstance(event, kind)


@every_event
def test_a_missing_or_mistyped_field_is_unreadable(event_type: str, kind: type[Event]) -> None:
    broken = golden(event_type)
    broken["data"]["revision"] = "three"
    with pytest.raises(Unreadable):
        unseal(event_type, json.dumps(broken))
    del broken["data"]["revision"]
    with pytest.raises(Unreadable):
        unseal(event_type, json.dumps(broken))


@every_event
def test_the_envelope_is_a_cloud_event(event_type: str, kind: type[Event]) -> None:
    envelope = golden(event_type)
    assert envelope["specversion"] == "1.0"
    assert envelope["type"] == event_type
    assert envelope["source"] == f"/waywarden/{kind.service}"
    assert envelope["subject"] == example(kind).subject
    assert envelope["time"].endswith("Z")
    assert event_type == f"{kind.service}.{event_type.split('.')[1]}.v{kind.version}"


@every_event
def test_an_event_says_what_it_means(event_type: str, kind: type[Event]) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # what dataclass makes up
    assert kind.about in {each.name for each in fields(kind)}


def test_every_golden_file_is_of_a_known_event() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(Event.known)


def test_events_hold_no_field_that_nobody_looked_at() -> None:
    names = {name for _, kind in KINDS for name in _field_names(kind)}
    assert sorted(names) == FIELD_NAMES


# How many types the queues of the version before hear (tests/drills/test_upgrade.py).
HEARD = {
    "assets.record_defects": 1, "assets.follow_orders": 3, "assets.record_looks": 1, "assets.keep_orders": 6,
    "inspections.note_links": 1, "inspections.follow_orders": 3, "inspections.keep_catalogue": 1,
    "inspections.report_lamps": 1, "workorders.open_for_defects": 1, "workorders.open_for_alerts": 2,
    "workorders.keep_catalogue": 1, "workorders.keep_areas": 1, "workorders.keep_units": 1,
}  # fmt: skip


def _field_names(kind: Any) -> set[str]:
    hints = {name: hint for name, hint in get_type_hints(kind).items() if not str(hint).startswith(str(ClassVar))}
    inner = [each for hint in hints.values() for each in get_args(hint) if is_dataclass(each)]
    return {each.name for each in fields(kind)}.union(*(_field_names(each) for each in inner))


def test_the_queues_and_what_they_hear_stay_as_they_are() -> None:
    """Renaming a queue orphans the live one, with the events in it."""
    assert {name: sorted(each.event_type for each in kinds) for name, kinds in QUEUES.items()} == BINDINGS


def test_a_queue_that_old_replicas_read_hears_nothing_new() -> None:
    """They would not know what to do with it: a new type gets a queue of its own, which only new replicas read."""
    assert {queue: len(BINDINGS[queue]) for queue in HEARD} == HEARD


def test_the_exchanges_stay_as_they_are() -> None:
    assert [exchange_of(service) for service in SERVICES] == [
        "assets.events", "inspections.events", "workorders.events", "alerts.events",
    ]  # fmt: skip


def test_who_hears_an_event_is_found_by_its_wire_name() -> None:
    assert subscribers_of(assets.DefectRecorded.event_type) == ["inspections.note_links", "workorders.open_for_defects"]
    assert subscribers_of(inspections.FindingResolved.event_type) == []


def test_every_queue_has_its_handler_in_the_service_that_it_is_named_for() -> None:
    from deploy.services import SERVICE_CLASSES
    from shared.messaging import EventConsumer

    handled = {
        entrypoint.queue: service.name
        for service in SERVICE_CLASSES.values()
        for part in service.__mro__
        for method in vars(part).values()
        for entrypoint in getattr(method, "nameko_entrypoints", ())
        if isinstance(entrypoint, EventConsumer)
    }
    assert handled == {queue: queue.partition(".")[0] for queue in QUEUES}
