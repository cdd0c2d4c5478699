"""What the recount proves, on both engines: each row that follows from others, spoilt, is found and set right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from deploy.recount import recount_rows, recount_sums, waiting
from services.assets import figures, use_cases
from services.assets.domain.areas import Level
from services.assets.tables import (
    facilities,
    facility_cells,
    lamp_night_sums,
    lamp_nights,
    lamps,
    mapping,
    past_standings,
    pipe_ends,
)
from services.assets.use_cases import lamps as controllers
from services.assets.use_cases import metering
from shared import clock
from shared.db import Database
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.test_assets_jobs import BOX, all_is_right, join, manhole, pipe, register, see, sweep
from tests.unit.test_assets_defects import NIGHT, confirmed, lamp, record

LAMP = facilities.c.code == "L-1"
ID = select(facilities.c.id).where(LAMP).scalar_subquery()


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", mapping.metadata) as database:
        yield database


@pytest.fixture
def city(made: Database) -> Iterator[Database]:
    """With something of each sort, and a later day."""
    with left_as_found(made, mapping.metadata):
        with clock.frozen(NIGHT):
            with made.begin() as session:
                use_cases.add_area(session, level=Level.DISTRICT, code="centre", geometry=BOX)
            register(
                made,
                lamp("L-1", 24.5),
                lamp("L-2", 24.6),
                *map(pipe, range(3)),
                *map(manhole, [0, 1, 2]),
            )
            sweep(made)
            assert join(made) == 6
            see(made, {"L-1": False})
            record(made, confirmed())
            tell(made, 0)
        with clock.frozen(NIGHT + timedelta(days=2)):
            with made.begin() as session:
                use_cases.revise_facility(session, "L-1", who="ada", expected=None, maintainer="Crew 1")
            tell(made, 5)  # late word of a night that is over
            all_is_right(made)
            yield made


def tell(database: Database, minutes: int) -> None:
    state = {"facility_code": "L-1", "lit": True, "power_w": None, "failure": None, "controller": None}
    with database.begin() as session:
        controllers.take_states(session, batch=[{**state, "at": NIGHT + timedelta(minutes=minutes)}])
    with database.begin() as session:
        metering.reckon_nights(session)


def spoil_standing(session: Session) -> None:
    session.execute(
        update(past_standings).where(past_standings.c.facility_id == ID).values(known_from=NIGHT + timedelta(4))
    )


SPOILT: dict[str, Callable[[Session], Any]] = {
    "ends of pipes": lambda session: session.execute(update(pipe_ends).values(node_id=None)),
    "looks at lamps": lambda session: session.execute(update(facilities).where(LAMP).values(last_look_at=None)),
    "conditions": lambda session: session.execute(
        update(facilities).where(LAMP).values(condition="intact", defective_milli=0)
    ),
    "standings": spoil_standing,
    "cells": lambda session: session.execute(delete(facility_cells)),
    "areas": lambda session: session.execute(update(facilities).where(LAMP).values(district=None)),
    "lamps": lambda session: session.execute(delete(lamps)),
    "nights of lamps": lambda session: session.execute(update(lamp_nights).values(lit_s=1)),
    "sums of nights": lambda session: session.execute(update(lamp_night_sums).values(lit_s=1)),
}


def found(database: Database, *, repair: bool = False) -> list[str]:
    return [line.partition(":")[0] for line in recount_rows(database, figures.PROOFS, repair=repair)]


@pytest.mark.parametrize("name", SPOILT)
def test_a_row_that_is_not_what_it_follows_from_is_found_and_set_right(city: Database, name: str) -> None:
    with city.begin() as session:
        SPOILT[name](session)
    assert name in found(city)
    assert name in found(city, repair=True)
    while join(city):
        pass
    list(recount_sums(city, figures, repair=True))
    all_is_right(city)


def test_what_a_job_has_yet_to_follow_is_told_and_not_called_wrong(city: Database) -> None:
    register(city, manhole(3), pipe(7))
    assert found(city) == []
    (line,) = waiting(city, figures.PROOFS)
    assert line.startswith("ends of pipes: 2 changes")


def test_an_area_that_somebody_took_away_on_purpose_is_not_wrong(city: Database) -> None:
    with city.begin() as session:
        use_cases.revise_facility(session, "L-2", who="ada", expected=None, district=None)
    assert found(city) == []
