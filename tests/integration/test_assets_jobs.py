"""Two replicas at the same work, on PostgreSQL: neither undoes or loses what the other did, and the recount says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select, text

from deploy.recount import recount_rows, recount_sums
from services.assets import figures, use_cases
from services.assets.domain.areas import Level
from services.assets.domain.catalogue import the_catalogue
from services.assets.domain.facilities import Action, IllegalChange
from services.assets.tables import facilities, mapping, network_changes, pipe_ends
from services.assets.use_cases import lamps as controllers
from services.assets.use_cases import ledger, metering, network
from shared import clock
from shared.db import Database
from tests.client import wait_for
from tests.integration.databases import left_as_found, migrated
from tests.unit.test_assets_defects import NIGHT, checked, confirmed, duplicates, lamp, record

BOX = {"type": "Polygon", "coordinates": [[[24.0, 60.0], [25.0, 60.0], [25.0, 61.0], [24.0, 61.0], [24.0, 60.0]]]}
STEP = 0.0005  # some 28 m to the east


@pytest.fixture(scope="module", params=["postgres"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "assets", mapping.metadata) as database:
        yield database


@pytest.fixture
def replicas(made: Database) -> Iterator[tuple[Database, Database]]:
    other = Database(made.engine.url.render_as_string(hide_password=False), connections=4)
    with clock.frozen(NIGHT), left_as_found(made, mapping.metadata):
        yield made, other
        other.close()


def manhole(number: int) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [24.5 + number * STEP, 60.2]}
    return {"code": f"M-{number}", "kind": "manhole", "geometry": place, "attributes": {"network": "storm"}}


def pipe(number: int) -> dict[str, Any]:
    line = [[24.5 + number * STEP, 60.2], [24.5 + (number + 1) * STEP, 60.2]]
    return {"code": f"P-{number}", "kind": "drain_pipe", "geometry": {"type": "LineString", "coordinates": line}}


def register(database: Database, *drafts: dict[str, Any]) -> None:
    with database.begin() as session:
        use_cases.register_facilities(session, drafts, who="ada")


def join(database: Database) -> int:
    with database.begin() as session:
        return use_cases.join_pipes(session)


def all_is_right(database: Database) -> None:
    assert list(recount_rows(database, figures.PROOFS, repair=False)) == []
    assert list(recount_sums(database, figures, repair=False)) == []


def once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, first: Callable[[], object]) -> None:
    """Let the other replica do something right before a function is called for the first time."""
    original = getattr(module, name)
    todo = [first]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        while todo:
            todo.pop()()
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, wrapped)


def ends(database: Database) -> tuple[int, int]:
    """How many ends of pipes there are, and how many of them meet a node."""
    with database.read() as session:
        all_of_them, met = session.execute(select(func.count(), func.count(pipe_ends.c.node_id))).one()
        return all_of_them, met


def test_pipes_are_joined_to_manholes_that_another_replica_joins_meanwhile(
    replicas: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that saw no manholes yet must not come last."""
    one, other = replicas
    register(one, *map(pipe, range(50)))

    def meanwhile() -> None:
        register(other, *map(manhole, range(51)))
        assert join(other) == 0

    once(monkeypatch, network, "insert_new", meanwhile)
    assert join(one) == 50
    assert ends(one) == (100, 0)
    assert join(other) == 51
    assert ends(one) == (100, 100)
    all_is_right(one)


def test_pipes_are_joined_anew_when_the_catalogue_changes_how_far_a_manhole_may_lie(
    replicas: tuple[Database, Database],
) -> None:
    one, _ = replicas
    before = the_catalogue()
    register(one, *map(pipe, range(3)), *map(manhole, range(4)))
    with one.begin() as session:
        assert use_cases.join_pipes(session) == 7
        network.note_rules(session, before, before)
        assert session.scalar(select(func.count()).select_from(network_changes)) == 0
        network.note_rules(session, before, replace(before, rules=replace(before.rules, network_tolerance_m=5)))
        assert session.scalar(select(func.count()).select_from(network_changes)) == 3


def test_a_look_that_comes_while_old_ones_are_forgotten_is_kept(
    replicas: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = replicas
    register(one, lamp("L-1", 24.94), lamp("L-2", 24.95))
    see(one, {"L-1": False, "L-2": False})
    with clock.frozen(NIGHT + timedelta(days=40)):
        once(monkeypatch, ledger, "lock_facilities", lambda: see(other, {"L-1": True}, NIGHT + timedelta(days=40)))
        with one.begin() as session:
            use_cases.expire_looks(session)
        with one.read() as session:
            seen = session.execute(select(facilities.c.code, facilities.c.last_look_lit)).all()
            assert {row.code: row.last_look_lit for row in seen} == {"L-1": True, "L-2": None}
        all_is_right(one)


def see(database: Database, lit: dict[str, bool], at: Any = NIGHT) -> None:
    with database.begin() as session:
        use_cases.record_looks(session, [checked(lit, at)])


def test_a_facility_that_moves_while_a_sweep_looks_at_it_stands_where_it_is(
    replicas: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = replicas
    register(one, lamp("L-1", 24.94))
    with one.begin() as session:
        use_cases.add_area(session, level=Level.DISTRICT, code="centre", geometry=BOX)

    def away() -> None:
        with other.begin() as session:
            far = {"type": "Point", "coordinates": [26.0, 60.17]}
            use_cases.move_facility(session, "L-1", who="ada", expected=None, reason="works", geometry=far)

    once(monkeypatch, ledger, "lock_facilities", away)
    sweep(one)
    with one.read() as session:
        assert session.execute(select(facilities.c.longitude, facilities.c.district)).one() == (26.0, None)
    all_is_right(one)


def sweep(database: Database) -> None:
    more = True
    while more:
        with database.begin() as session:
            more = use_cases.sweep_areas(session)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_two_replicas_do_at_once_every_row_is_right_in_the_end(
    replicas: tuple[Database, Database], seed: int
) -> None:
    """Both register, change and look, and run every job, as chance has it."""
    register(replicas[0], *(lamp(f"L-{number}", 24.5 + number * STEP) for number in range(20)))
    with ThreadPoolExecutor(4) as beside:
        works = [beside.submit(work, replicas[number % 2], Random(seed * 10 + number), number) for number in range(4)]
        for each in works:
            each.result(timeout=60)
    sweep(replicas[0])
    while join(replicas[0]):
        pass
    with replicas[0].begin() as session:
        metering.reckon_nights(session)
    all_is_right(replicas[0])


def work(database: Database, chance: Random, number: int) -> None:
    todo = [look, report, tell, jobs, jobs, draw, *[thing] * 3, retire, move]
    for turn in range(25):
        chance.choice(todo)(database, chance, number * 100 + turn)


def thing(database: Database, chance: Random, number: int) -> None:
    places = chance.sample(range(40), 5)
    register(database, *(chance.choice([pipe, manhole])(each) for each in sorted(places)))


def retire(database: Database, chance: Random, _: int) -> None:
    with database.begin() as session:
        some = session.scalar(
            select(facilities.c.code).where(facilities.c.kind == "manhole", facilities.c.condition == "intact").limit(1)
        )
    if some:
        with suppress(IllegalChange), database.begin() as session:  # the other was faster
            use_cases.act_on_facility(session, some, action=Action.RETIRE, who="ada", expected=None)


def move(database: Database, chance: Random, number: int) -> None:
    code, west = f"L-{chance.randrange(20)}", 23.9 + chance.random() * 1.5
    with database.begin() as session:
        place = {"type": "Point", "coordinates": [west, 60.2]}
        use_cases.move_facility(session, code, who="ada", expected=None, reason="works", geometry=place)


def look(database: Database, chance: Random, number: int) -> None:
    lamps = chance.sample(range(20), 5)
    see(database, {f"L-{each}": chance.random() < 0.5 for each in lamps}, NIGHT + timedelta(seconds=number))


def tell(database: Database, chance: Random, number: int) -> None:
    nothing = {"power_w": None, "failure": None, "controller": None}
    states = [
        {"facility_code": f"L-{each}", "at": NIGHT - timedelta(chance.randrange(3), minutes=number), "lit": True}
        | nothing
        for each in chance.sample(range(20), 5)
    ]
    with database.begin() as session:
        controllers.take_states(session, batch=states)


def draw(database: Database, chance: Random, number: int) -> None:
    west = 24.5 + chance.randrange(10) * 2 * STEP
    ring = [[west, 60.1], [west + 0.01, 60.1], [west + 0.01, 60.3], [west, 60.3], [west, 60.1]]
    with database.begin() as session:
        shape = {"type": "Polygon", "coordinates": [ring]}
        use_cases.add_area(session, level=Level.GRID, code=f"G-{number}", geometry=shape)


def jobs(database: Database, chance: Random, _: int) -> None:
    for job in (use_cases.join_pipes, use_cases.sweep_areas, use_cases.expire_looks, metering.reckon_nights,
                controllers.forget_states):  # fmt: skip
        with database.begin() as session:
            job(session)


def report(database: Database, chance: Random, number: int) -> None:
    """Lamps by their places; some are reported by the other replica at this moment."""
    places = [24.5 + each * STEP for each in chance.sample(range(20), 3)]
    found = [confirmed(code=None, longitude=each, latitude=60.17) for each in places]
    with database.begin() as session:
        use_cases.record_defects(session, found)


def test_of_what_two_replicas_hear_at_once_of_one_lamp_one_defect_is_made(
    replicas: tuple[Database, Database],
) -> None:
    register(replicas[0], lamp("L-0", 24.5))
    by_place, by_code = confirmed(code=None, longitude=24.5), confirmed(code="L-0")
    with ThreadPoolExecutor(1) as beside:
        with replicas[0].begin() as session:
            use_cases.record_defects(session, [by_place])
            other = beside.submit(record, replicas[1], by_code)
            assert wait_for(lambda: waiting(replicas[0]), "the other replica to wait for the lamp")
        told = other.result(timeout=30)
    assert [each.duplicate_of for each in duplicates(told)] == [by_place.finding_id]
    all_is_right(replicas[0])


def waiting(database: Database) -> bool:
    with database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")))
