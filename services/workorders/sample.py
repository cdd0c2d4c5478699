"""Crews for the sample city: one for each district that we drew, and the rule that gives it what happens there."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.workorders import queries
from services.workorders.use_cases import crews
from shared.db import Database

DISTRICTS = {  # as in services/assets/sample/districts.geojson
    "southwest": "South-West",
    "southeast": "South-East",
    "northwest": "North-West",
    "northeast": "North-East",
}
RULE = "crew of the district"


def load_sample(database: Database) -> None:
    """Register the crews and the rule, unless there are any: what people changed since stays as it is."""
    with database.begin() as session:
        if not queries.list_crews(session, limit=1, cursor=None).items:
            load(session)


def load(session: Session) -> None:
    for district, name in DISTRICTS.items():
        crews.register_crew(session, code=f"crew-{district}", name=f"{name} crew", districts=[district], kinds=[])
    crews.add_rule(session, rule={"name": RULE, "priority": 1000})
