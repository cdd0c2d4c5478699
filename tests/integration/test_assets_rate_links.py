"""Every address beside every rate, followed over HTTP on both engines: what it leads to adds up to the rate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from services.assets import use_cases
from services.assets.domain.areas import Level
from services.assets.domain.facilities import Action
from services.assets.domain.rates import By, RateName
from services.assets.domain.standings import View
from services.assets.service import Assets
from services.assets.use_cases import lamps, metering
from shared import clock
from shared.db import Database
from tests.integration.databases import ENGINES, migrated
from tests.integration.test_assets_lamps_http import Caller
from tests.links import Shown, must_add_up
from tests.unit.test_assets_defects import checked, confirmed

EVENING = datetime(2026, 1, 15, 13, 0, tzinfo=UTC)
NIGHT = date(2026, 1, 15)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = EVENING + 3 * DAY
ODD = "Müller & Söhne + Co. 100%=a?b#c"  # what an address must quote
LAMPS = [f"L-{number}" for number in range(1, 7)]


def facility(code: str, number: int, kind: str = "street_light", **more: Any) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [24.94 + number % 2 / 5 + number / 1000, 60.17]}
    placed = {"maintainer": [ODD, "South", None][number % 3]}
    return {"code": code, "kind": kind, "geometry": place} | placed | more


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", Assets.metadata) as made:
        with clock.frozen(EVENING - DAY):
            a_city(made)
        with clock.frozen(EVENING):
            an_evening(made)
        with clock.frozen(EVENING + 19 * HOUR):
            reckon(made)
        with clock.frozen(EVENING + DAY):
            reckon(made)
        with clock.frozen(LATER):
            what_is_learned_late(made)
        yield made


def a_city(database: Database) -> None:
    kinds = ["street_light", "landscape_light"]
    lamps = [facility(code, number, kinds[number % 4 == 1]) for number, code in enumerate(LAMPS)]
    lamps[0]["attributes"] = {"lamp_type": "led", "power_w": 40}
    lamps[1]["attributes"] = {"lamp_type": "sodium"}
    route = {"type": "LineString", "coordinates": [[24.94, 60.1702], [24.95, 60.1702]]}
    roads = [facility(f"R-{n}", n, "carriageway", geometry=route, measure=100.5) for n in (1, 2)]
    with database.begin() as session:
        centre = [[24.93, 60.16], [24.96, 60.16], [24.96, 60.18], [24.93, 60.18], [24.93, 60.16]]
        draft = {"code": "centre", "geometry": {"type": "Polygon", "coordinates": [centre]}}
        use_cases.add_areas(session, level=Level.DISTRICT, drafts=[draft])
        use_cases.register_facilities(session, [*lamps, *roads], who="ada")


def an_evening(database: Database) -> None:
    act(database, "L-3", Action.PUT_OUT_OF_SERVICE, reason="works")
    tell(database, dict.fromkeys(LAMPS[:4], True) | {"L-2": False})
    with database.begin() as session:
        dark = confirmed("lamp_out", "L-2", happened_at=EVENING)
        use_cases.record_defects(session, [dark, confirmed("pothole", "R-1", quantity=12.25, happened_at=EVENING)])
    with database.begin() as session:
        seen = {"L-1": True, "L-2": False, "L-4": True, "L-5": False, "L-6": True}
        use_cases.record_looks(session, [checked(seen, EVENING + 3 * HOUR)])


def what_is_learned_late(database: Database) -> None:
    """Of a lamp it is learned that it had been elsewhere, of another that it was gone, of a third that it was there."""
    then = EVENING + HOUR
    act(database, "L-4", Action.PUT_OUT_OF_SERVICE, reason="works & more", at=then)
    act(database, "L-5", Action.RETIRE, at=then)
    act(database, "L-3", Action.RETURN_TO_SERVICE, at=then)
    with database.begin() as session:
        use_cases.revise_facility(session, "L-1", who="ada", expected=None, maintainer="North", at=then)
        use_cases.register_facility(session, who="ada", at=then, **facility("L-9", 9))
        use_cases.record_defects(session, [confirmed("lamp_out", "L-6", happened_at=then)])
    tell(database, {"L-1": False, "L-6": False}, minute=30)
    act(database, "L-2", Action.RETIRE)
    reckon(database)


def act(database: Database, code: str, action: Action, **more: Any) -> None:
    with database.begin() as session:
        use_cases.act_on_facility(session, code, action=action, who="ada", expected=None, **{"reason": "x"} | more)


def tell(database: Database, lit: dict[str, bool], *, minute: int = 0) -> None:
    """Each hour of the first night."""
    about = {"power_w": None, "failure": None, "controller": None}
    hours = [EVENING + number * HOUR + timedelta(minutes=minute) for number in range(18)]
    states = [{"facility_code": code, "at": at, "lit": burns, **about} for code, burns in lit.items() for at in hours]
    with clock.frozen(max(clock.now(), EVENING + 18 * HOUR)), database.begin() as session:
        lamps.take_states(session, batch=states)


def reckon(database: Database) -> None:
    with database.begin() as session:
        metering.reckon_nights(session)


@pytest.fixture
def call(database: Database, tmp_path: Path) -> Iterator[Caller]:
    with clock.frozen(LATER + HOUR):
        yield Caller(database, tmp_path)


def every_page(call: Caller, address: str) -> list[Shown]:
    items: list[Shown] = []
    more: str | None = ""
    while more is not None:
        page = call("GET", address.removeprefix("/api/v1") + more)
        items += page["items"]
        more = page["next"] and f"&cursor={page['next']}"
    return items


DATES = [NIGHT, None, NIGHT - DAY, NIGHT + 2 * DAY]
FILTERS = [{}, {"kind": "street_light"}, {"district": ""}, {"maintainer": ODD}, {"kind": "carriageway", "owner": ""}]


@pytest.mark.parametrize("view", View)
@pytest.mark.parametrize("asked", FILTERS, ids=lambda asked: " ".join(asked) or "all")
def test_every_link_of_every_rate_adds_up_to_it(call: Caller, view: View, asked: dict[str, str]) -> None:
    followed = set[str]()
    for by, day in product((By.KIND, By.MAINTAINER), DATES[: 2 if asked else 4]):
        more = {"by": by.value, "view": view.value, "window_days": "2", "limit": "1000"}
        more |= {"date": day.isoformat()} if day else {}
        for rate in every_page(call, f"/rates?{urlencode(asked | more)}"):
            if rate["facilities"]:
                must_add_up(rate, lambda address: every_page(call, address))
                followed.add(rate["rate"])
    assert followed == set(RateName) if not asked else followed


def test_both_views_of_a_day_differ_by_what_was_learned_late(call: Caller) -> None:
    def intact(view: View) -> tuple[float, dict[str, int]]:
        address = f"/rates?by=kind&rate=intact&kind=street_light&date={NIGHT}&view={view}"
        (rate,) = [each for each in call("GET", address)["items"] if each["kind"]]
        return rate["denominator"], rate["out_of_service"].get("reasons")

    assert intact(View.KNOWN) == (3, {"works": 1})
    assert intact(View.HAPPENED) == (3, {"works & more": 1})
