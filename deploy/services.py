"""The four services, in the order in which the loop runs through them."""

from __future__ import annotations

from services.alerts.service import Alerts
from services.assets.service import Assets
from services.inspections.service import Inspections
from services.workorders.service import WorkOrders
from shared.service import Service

SERVICE_CLASSES: dict[str, type[Service]] = {each.name: each for each in (Assets, Inspections, WorkOrders, Alerts)}
