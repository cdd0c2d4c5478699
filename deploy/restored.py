"""After a database went back to an earlier point: others heard of later revisions, and keep the newest that they heard.

Without this a district, a unit or an order that is changed again after a restore would get a revision that others know
already, and the change would be dropped there without a word.
"""

from __future__ import annotations

from sqlalchemy import Table, update
from sqlalchemy.orm import Session

from services.alerts import tables as alerts
from services.alerts.use_cases.telling import tell_standing
from services.assets import tables as assets
from services.assets.use_cases.areas import tell_areas
from services.assets.use_cases.editions import publish_again
from services.assets.use_cases.units import tell_units
from services.inspections import tables as inspections
from services.workorders import tables as workorders

STEP = 1_000_000  # more than anything is changed between two backups
OWN: dict[str, tuple[Table, ...]] = {
    "assets": (
        assets.facilities, assets.defects, assets.areas, assets.units, assets.import_profiles,
        assets.lighting_schedules,
    ),
    "inspections": (inspections.findings, inspections.finding_sources, inspections.light_checks),
    "workorders": (workorders.work_orders, workorders.crews, workorders.dispatch_rules, workorders.members),
    "alerts": (alerts.sensors, alerts.rules, alerts.alerts),
}  # fmt: skip


def count_on(session: Session, service: str) -> None:
    """Raise the revision of all that the service itself keeps, and tell again what others keep copies of."""
    for table in OWN[service]:
        session.execute(update(table).values(revision=table.c.revision + STEP))
    if service == "assets":
        publish_again(session, STEP)
        tell_units(session)
        tell_areas(session)
    elif service == "alerts":
        tell_standing(session)
