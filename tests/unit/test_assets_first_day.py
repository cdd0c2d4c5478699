"""Since when there is an answer: the first day of the registry, and a registry without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from services.assets import queries, use_cases
from services.assets.domain.rates import DayBeforeRegistry
from services.assets.domain.standings import View
from services.assets.queries import past
from services.assets.tables import mapping
from shared import clock
from shared.db import Database, kernel
from tests.unit.test_assets_defects import NIGHT, lamp
from tests.unit.test_assets_rates import DAY, FIRST_DAY


@contextmanager
def an_empty_database(folder: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{folder / 'empty.db'}")) as database:
        for each in (kernel, mapping.metadata):
            each.create_all(database.engine.execution_options(writes=True))
        yield database


@pytest.mark.parametrize(("begun_at", "first_night"), [(NIGHT, FIRST_DAY), (NIGHT - DAY / 2, FIRST_DAY - DAY)])
def test_a_night_that_was_over_before_the_first_lamp_is_refused(
    tmp_path: Path, begun_at: datetime, first_night: date
) -> None:
    """Until noon it is yesterday's night: who registers lamps in the morning may be told of that."""
    with an_empty_database(tmp_path) as database:
        with clock.frozen(begun_at), database.begin() as session:
            use_cases.register_facility(session, who="ada", **lamp("L-1", 24.941))
        with clock.frozen(NIGHT + 2 * DAY), database.read() as session:
            assert queries.lamps.list_nights_behind(session, limit=9, date=first_night).items == []
            with pytest.raises(DayBeforeRegistry, match=f"of {first_night}"):
                queries.lamps.list_nights_behind(session, limit=9, date=first_night - DAY, window_days=7)


@pytest.mark.parametrize("view", View)
def test_an_empty_registry_has_begun_on_no_day(tmp_path: Path, view: View) -> None:
    with an_empty_database(tmp_path) as empty, empty.read() as session:
        assert queries.list_facilities(session, limit=10, as_of=date(1990, 1, 1), view=view).items == []
        assert queries.list_rates(session, by="district", date=date(1990, 1, 1), view=view).items == []


def test_the_first_day_is_found_without_a_look_at_every_life(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with an_empty_database(tmp_path) as database, database.begin() as session:
        with clock.frozen(NIGHT):
            use_cases.register_facility(session, who="ada", **lamp("L-1", 24.941))
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        past.first_moment(session, View.HAPPENED)
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}", given).all()) for each, given in list(asked)
        ]
    assert len(plans) == 2
    assert not any("TEMP B-TREE" in each for each in plans)
    assert "USING INDEX ix_facility_history_registered_late" in plans[1]
