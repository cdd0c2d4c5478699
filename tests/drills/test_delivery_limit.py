"""A broker that drops what was delivered 20 times to no effect, as RabbitMQ 4 does unless it is told otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import create_engine, text

from deploy.stack import Stack
from tests.client import Figures, System, wait_for
from tests.drills.audit import audit
from tests.drills.conftest import Size
from tests.drills.loop import PATIENCE_S, Loop
from tests.story import Cast, LampStory

QUEUE = "workorders.open_for_defects"
DELIVERIES = "waywarden_event_deliveries_highest"
# Else the first reader sets its events aside before it is killed: asking the broker what it has in hand takes seconds.
PATIENT = "?options=-c%20lock_timeout%3D30s"


def test_no_event_is_dropped_while_its_readers_die(whole: Stack, size: Size) -> None:
    """A locked table holds the reader up, and again and again it is killed with the events in hand."""
    loop, reader = Loop(whole, wanted=0), whole.process("workorders")
    reader.stop()
    reader.start(WAYWARDEN_DATABASE_URL_WORKORDERS=whole.database_url("workorders") + PATIENT)
    with closing(loop.system()) as system:
        cast = Cast(system)
        stories = [LampStory(cast, lamp, timeout_s=PATIENCE_S) for lamp in cast.lamps(3)]
        with locked(whole, "work_orders"):
            for story in stories:
                story.report()
            wait_for(lambda: in_hand(whole) == len(stories), "the events to be delivered")
            assert max(die_with_events(whole, system, number) for number in range(size.deaths)) >= 10
        for story in stories:
            story.await_order()
            story.repair(with_photo=False)
            story.await_finding("resolved")
            loop.played.append(story.finding_id)
    audit(whole, loop)


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Nobody writes to the table; reading goes on."""
    engine = create_engine(stack.database_url("workorders"))
    with engine.begin() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
        yield
    engine.dispose()


def in_hand(stack: Stack) -> int:
    listed = stack.servers.rabbitmq.ctl("list_queues", "name", "messages_unacknowledged")
    return sum(int(line.split()[1]) for line in listed.splitlines() if line.startswith(QUEUE))


def die_with_events(stack: Stack, system: System, deaths: int) -> float:
    """Kill the reader once it has the events again, and start it; how often they were delivered, by its figure."""

    def back() -> Figures | None:
        shown = system.figures("workorders")
        if (shown.get(DELIVERIES, queue=QUEUE) or 0) >= deaths:
            return shown
        # Set aside: while these figures were collected, maybe, of which the one came before and the other after.
        return system.figures("workorders") if shown.get("waywarden_retries", service="workorders") else None

    shown = wait_for(back, f"the events to come again after {deaths} deaths")
    stack.process("workorders").kill()
    stack.process("workorders").start()
    return shown.get(DELIVERIES, queue=QUEUE) or 0
