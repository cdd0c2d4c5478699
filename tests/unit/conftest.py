"""Maps the domain classes before any test makes one: an object made before its class is mapped is of no use after.

Other tests of the same run map them anyway.
"""

from services.alerts import tables as alerts
from services.assets import tables as assets
from services.inspections import tables as inspections
from services.workorders import tables as workorders

MAPPED = (alerts, assets, inspections, workorders)
