"""The manifest: which queue hears which events. Frozen by a test; every relay declares the whole of it.

A queue is named ``<service>.<what it does>``. Its name is explicit, because a name derived from a method would orphan
a live queue on renaming. To rename one here, drain the old queue first and delete it.
"""

from __future__ import annotations

from shared.events import Event
from shared.events.alerts import AlertCleared, AlertEscalated, AlertMoved, AlertRaised
from shared.events.assets import (
    AreaChanged,
    CataloguePublished,
    DefectDuplicated,
    DefectRecorded,
    FacilityRenumbered,
    LampMisbehaved,
    LightsJudged,
    UnitChanged,
)
from shared.events.inspections import (
    FindingConfirmed,
    FindingMerged,
    FindingRejected,
    FindingReported,
    FindingSeenAgain,
    LightsChecked,
)
from shared.events.workorders import (
    OrderClosed,
    OrderCompleted,
    OrderCompletionUndone,
    OrderDeclined,
    OrderDispatched,
    OrderRegistered,
    OrderReopened,
    OrderSupervised,
    OrderVoided,
)

SERVICES = ("assets", "inspections", "workorders", "alerts")

QUEUES: dict[str, tuple[type[Event], ...]] = {
    "assets.record_defects": (FindingConfirmed,),
    "assets.follow_orders": (OrderClosed, OrderReopened, OrderVoided),
    "assets.record_looks": (LightsChecked,),
    "assets.judge_looks": (LightsChecked,),
    "assets.keep_orders": (
        OrderRegistered,
        OrderDispatched,
        OrderCompleted,
        OrderClosed,
        OrderReopened,
        OrderVoided,
    ),
    "assets.keep_declined_orders": (OrderDeclined,),
    "inspections.note_links": (DefectRecorded,),
    "inspections.merge_duplicates": (DefectDuplicated,),
    "inspections.follow_orders": (OrderClosed, OrderReopened, OrderVoided),
    "inspections.keep_orders": (OrderRegistered, OrderCompleted, OrderCompletionUndone, OrderSupervised),
    "inspections.keep_catalogue": (CataloguePublished,),
    "inspections.keep_areas": (AreaChanged,),
    "inspections.keep_codes": (FacilityRenumbered,),
    "inspections.report_lamps": (LampMisbehaved,),
    "inspections.follow_judgements": (LightsJudged,),
    "workorders.keep_finding_photos": (FindingReported, FindingRejected, FindingMerged),
    "workorders.open_for_defects": (DefectRecorded,),
    "workorders.void_duplicates": (DefectDuplicated,),
    "workorders.note_sightings": (FindingSeenAgain,),
    "workorders.open_for_alerts": (AlertEscalated, AlertRaised),
    "workorders.follow_alerts": (AlertMoved,),
    "workorders.end_alerts": (AlertCleared,),
    "workorders.keep_catalogue": (CataloguePublished,),
    "workorders.keep_areas": (AreaChanged,),
    "workorders.keep_units": (UnitChanged,),
    "workorders.keep_codes": (FacilityRenumbered,),
    "alerts.keep_areas": (AreaChanged,),
    "alerts.keep_catalogue": (CataloguePublished,),
}


def exchange_of(service: str) -> str:
    """The topic exchange that a service publishes on."""
    return f"{service}.events"


def subscribers_of(event_type: str) -> list[str]:
    """The queues that hear an event type, by its wire name."""
    return [name for name, types in QUEUES.items() if event_type in {each.event_type for each in types}]
