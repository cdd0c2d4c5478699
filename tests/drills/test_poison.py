"""One event that a handler cannot take, among good ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from deploy.stack import Embedded, Stack
from tests.client import System, wait_for
from tests.drills.audit import audit, await_settled, command, execute
from tests.drills.conftest import Size
from tests.drills.loop import Loop
from tests.story import Cast, LampStory, finding

POISON = "Poison for the drill."
# The bug: the database of workorders refuses this one order. Its handler fails as it would of a mistake in code.
BUG = {
    "postgresql": (
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.summary = '{0}' THEN "
        "RAISE EXCEPTION 'a bug'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER poison BEFORE INSERT ON work_orders FOR EACH ROW EXECUTE FUNCTION poison()",
    ),
    "sqlite": (
        "CREATE TRIGGER poison BEFORE INSERT ON work_orders WHEN NEW.summary = '{0}' "
        "BEGIN SELECT RAISE(ABORT, 'a bug'); END",
    ),
}
MENDED = {"postgresql": ("DROP FUNCTION poison CASCADE",), "sqlite": ("DROP TRIGGER poison",)}


@pytest.fixture(params=["whole", "drilled_embedded"])
def either(request: pytest.FixtureRequest) -> Embedded | Stack:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_one_poison_event_among_good_ones(either: Embedded | Stack, size: Size) -> None:
    """It is parked alone, becomes a dead letter, and has its effect once the bug is gone and it is replayed."""
    await_settled(either)
    with closing(System.of(either)) as system:
        cast = Cast(system)
        lamp = cast.lamps(1)[0]
        poison = LampStory(cast, lamp)
        with bug_in(either), Loop(either, wanted=size.stories, threads=4, besides=lamp) as loop:
            cast.inspector.post("/findings", finding(lamp, poison.finding_id, description=POISON))
            wait_for(lambda: dead_letters(system) == 1, "one dead letter")
            assert cast.dispatcher.get("/work-orders", finding_id=poison.finding_id)["items"] == []
            said = command(either, "events", "list", "--service", "workorders").stdout
            assert said.count("workorders.open_for_defects") == 1
            assert "a bug" in said
        assert command(either, "events", "replay", "--service", "workorders", "--all").returncode == 0
        poison.await_order()
        wait_for(lambda: dead_letters(system) == 0, "no dead letter")
        poison.repair(with_photo=False)
        poison.await_finding("resolved")
    audit(either, loop)


@contextmanager
def bug_in(running: Embedded | Stack) -> Iterator[None]:
    engine = running.database_url("workorders").partition(":")[0].partition("+")[0]
    for statement in BUG[engine]:
        execute(running, "workorders", statement.format(POISON))
    try:
        yield
    finally:
        for statement in MENDED[engine]:
            execute(running, "workorders", statement)


def dead_letters(system: System) -> float:
    return system.figures("workorders").get("waywarden_dead_letters", service="workorders") or 0.0
