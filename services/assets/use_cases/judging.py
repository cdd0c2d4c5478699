"""Whether a lamp should have burnt when somebody looked at it: by the schedule that it followed at that moment.

The answer is the same whenever word of the look comes: schedules, the catalogue's hours and the lamps count as they
were known at the time of the look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from services.assets.domain.catalogue import Catalogue, Lighting, the_catalogue
from services.assets.domain.facilities import Condition
from services.assets.domain.lighting import CITY, Judgement, LampThen, LightingSchedule, judged
from services.assets.tables import catalogue_editions, facilities, past_lighting_schedules, past_standings
from services.assets.use_cases.lighting import all_schedules

Seen = tuple[int, datetime]  # a lamp, and when it was looked at


def judge(session: Session, seen: Collection[Seen]) -> dict[Seen, Judgement]:
    """Judge looks at lamps of ours. The number of statements is fixed."""
    if not seen:
        return {}
    since = min(at for _, at in seen)
    hours = _Hours(session, since)
    ids = {lamp for lamp, _ in seen}
    now, before = _present(session, ids), _replaced(session, ids, since)
    return {(lamp, at): hours.judge(_stood(now[lamp], before[lamp], at), at) for lamp, at in seen}


class _Hours:
    """Schedules and the catalogue as they were known at any moment since the first look; each judgement once."""

    def __init__(self, session: Session, since: datetime) -> None:
        past, editions = past_lighting_schedules.c, catalogue_editions.c
        self.schedules = {each.code: each for each in all_schedules(session)}
        replaced = select(*past).where(past.known_to > since).order_by(past.id.desc())
        self.replaced = session.execute(replaced).all()
        ran = select(func.max(editions.revision)).where(editions.published_at <= since).scalar_subquery()
        wanted = select(editions.published_at, editions.catalogue["lighting"].label("lighting"))
        wanted = wanted.where(or_(editions.published_at > since, editions.revision == ran))
        self.editions = session.execute(wanted.order_by(editions.revision.desc())).all()
        self.known: dict[tuple[LampThen, datetime], Judgement] = {}

    def judge(self, lamp: LampThen, at: datetime) -> Judgement:
        if (lamp, at) not in self.known:
            self.known[lamp, at] = judged(lamp, at, self._schedules(at), self._catalogue(at))
        return self.known[lamp, at]

    def _schedules(self, at: datetime) -> dict[str, LightingSchedule]:
        """Of several that were replaced since, the earliest held; one without a state was not there yet."""
        then: dict[str, LightingSchedule | None] = dict(self.schedules)
        then |= {
            row.code: row.state and LightingSchedule(code=row.code, **row.state)
            for row in self.replaced
            if row.known_to > at
        }
        return {code: each for code, each in then.items() if each} | {CITY: then[CITY] or LightingSchedule(code=CITY)}

    def _catalogue(self, at: datetime) -> Catalogue:
        """The newest edition that was out, else the first one."""
        if not self.editions:
            return the_catalogue()
        then = next((each for each in self.editions if each.published_at <= at), self.editions[-1])
        return replace(the_catalogue(), lighting=Lighting(**then.lighting))


def _present(session: Session, ids: Collection[int]) -> dict[int, LampThen]:
    named = facilities.c.attributes["lighting_schedule"].as_string()
    wanted = select(*facilities.c["id", "kind", "district", "condition"], named).where(facilities.c.id.in_(ids))
    return {row[0]: LampThen._make(row[1:]) for row in session.execute(wanted)}


def _replaced(session: Session, ids: Collection[int], since: datetime) -> Mapping[int, Sequence[Row[Any]]]:
    """How lamps stood until something changed after that moment, the earliest first."""
    past = past_standings.c
    wanted = select(*past["facility_id", "known_to", "kind", "district", "condition", "state"])
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(wanted.where(past.facility_id.in_(ids), past.known_to > since).order_by(past.id)):
        found[row.facility_id].append(row)
    return found


def _stood(now: LampThen, replaced: Sequence[Row[Any]], at: datetime) -> LampThen:
    """How a lamp stood; one that was registered later, as it was registered. One that is no more needs no repair."""
    later = [row for row in replaced if row.known_to > at]
    if not later or now.condition == Condition.RETIRED:
        return now
    attributes = [row.state["attributes"] for row in later if "attributes" in (row.state or {})]
    named = attributes[0].get("lighting_schedule") if attributes else now.named
    return LampThen(later[0].kind, later[0].district, later[0].condition, named)
