"""A clock that jumps, forwards and back: the life of a facility goes one way, and a past day counts it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.assets import use_cases
from services.assets.domain.areas import Level
from services.assets.domain.facilities import Action, IllegalChange
from services.assets.domain.standings import standing_of
from services.assets.queries import past
from services.assets.tables import facilities, facility_history, past_standings
from shared import clock
from shared.db import Database
from shared.events.workorders import OrderClosed
from tests.unit.test_assets_areas import sweep
from tests.unit.test_assets_defects import LAMPS, NIGHT, a_city, confirmed, follow, found_anew, order, record
from tests.unit.test_assets_defects import a_city_file as a_city_file

HOUR = timedelta(hours=1)
JUMP = st.integers(-30, 30)  # hours
STEP = st.tuples(
    JUMP,
    st.sampled_from(["maintainer", "find", "close", "replace", "renumber", "resweep", *Action]),
    st.sampled_from(LAMPS),
)


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from a_city(f"sqlite:///{tmp_path_factory.mktemp('clocks')}/assets.db")


@pytest.mark.thorough
@given(steps=st.lists(STEP, min_size=3, max_size=12))
@example(steps=[(2, "maintainer", "L-1"), (-1, "maintainer", "L-1"), (4, "maintainer", "L-1")])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_past_moment_has_each_facility_once_however_the_clock_jumps(
    one_db: Database, steps: list[tuple[int, str, str]]
) -> None:
    with clock.frozen(NIGHT):
        found_anew(one_db)
    at = NIGHT
    told = Told(one_db)
    for jump, what, code in steps:
        at += jump * HOUR
        with clock.frozen(at), suppress(IllegalChange):
            told.happens(what, code)
    lives_go_one_way(one_db)
    for hours in range(-40, 200, 13):
        each_stands_once(one_db, hours)


class Told:
    def __init__(self, database: Database) -> None:
        self.db, self.turn = database, 0
        self.codes = {code: code for code in LAMPS}
        self.open: dict[str, UUID] = {}

    def happens(self, what: str, lamp: str) -> None:
        self.turn += 1
        code = self.codes[lamp]
        match what:
            case "find":
                finding = confirmed(code=code, happened_at=clock.now())
                self.open[lamp] = finding.finding_id
                record(self.db, finding)
            case "close":
                if lamp in self.open:
                    follow(self.db, order(OrderClosed, self.open[lamp], self.turn, clock.now()))
            case "maintainer":
                self._do(use_cases.revise_facility, code, maintainer=f"Crew {self.turn}")
            case "replace":
                self._do(use_cases.replace_facility, code, reason="worn", attributes={"power_w": self.turn})
            case "renumber":
                self._do(use_cases.renumber_facility, code, reason="new numbers", new_code=f"{lamp}-{self.turn}")
                self.codes[lamp] = f"{lamp}-{self.turn}"
            case "resweep":
                self._sweep()
            case _:
                self._do(use_cases.act_on_facility, code, action=Action(what))

    def _do(self, does: Any, code: str, **how: Any) -> None:
        with self.db.begin() as session:
            does(session, code, who="ada", expected=None, **how)

    def _sweep(self) -> None:
        """Let the lamps follow a grid cell that takes the place of the one before."""
        west = 24.9 + self.turn / 1e6
        ring = [[west, 60.1], [25.0, 60.1], [25.0, 60.2], [west, 60.2], [west, 60.1]]
        with self.db.begin() as session:
            use_cases.add_areas(
                session,
                level=Level.GRID,
                drafts=[{"code": f"A-{999 - self.turn}", "geometry": {"type": "Polygon", "coordinates": [ring]}}],
            )
        sweep(self.db)


def lives_go_one_way(database: Database) -> None:
    with database.read() as session:
        since = {row.id: row.stands_since for row in session.execute(select(*facilities.c))}
        standings: dict[int, list[Any]] = {each: [] for each in since}
        for row in session.execute(select(*past_standings.c).order_by(past_standings.c.id)):
            standings[row.facility_id].append(row)
        deeds: dict[int, list[Any]] = {each: [] for each in since}
        for row in session.execute(select(*facility_history.c).order_by(facility_history.c.id)):
            deeds[row.facility_id].append(row)
    for facility_id, rows in standings.items():
        assert all(row.known_from <= row.known_to for row in rows)
        ends = [*(row.known_from for row in rows), since[facility_id]]
        assert ends[1:] == [row.known_to for row in rows]
        assert all(first.recorded_at <= then.recorded_at for first, then in pairwise(deeds[facility_id]))


def each_stands_once(database: Database, hours: int) -> None:
    """And as it happened it stands as it was known, where nothing was told late."""
    end = NIGHT + hours * HOUR
    with database.read() as session:
        then = past.as_of(end)
        rows = session.execute(select(*then.c).order_by(then.c.id)).all()
        assert Counter(row.id for row in rows) == Counter(
            session.scalars(select(facilities.c.id).where(facilities.c.registered_at < end))
        )
        late = set(past.late_facts(session, end))
        known = {row.id: standing_of(row) for row in rows if row.id not in late}
        assert dict(past.standings_happened(session, sorted(known), end)) == known
