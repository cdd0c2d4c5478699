"""The audit after a drill: what clients were told is there, and nothing is lost or doubled in any of the databases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from uuid import UUID

from sqlalchemy import Engine, create_engine, select, text

from deploy.stack import ROOT, Embedded, Stack
from services.alerts.tables import alerts
from services.assets.tables import defects, facility_history
from services.inspections.tables import finding_moves, findings
from services.workorders.tables import order_moves, work_orders
from shared.envelope import unseal
from shared.events import Event
from shared.events.queues import SERVICES
from shared.inbox import retries
from shared.outbox import outbox
from tests.client import wait_for
from tests.drills.loop import Loop

WHOLE_STORY = Counter(("register", "dispatch", "accept", "start", "complete", "pass_check"))
ONCE_EACH = {
    "inspections": ("finding_confirmed", "finding_resolved"),
    "assets": ("defect_recorded", "defect_restored"),
    "workorders": ("order_registered", "order_dispatched", "order_completed", "order_closed"),
}


def audit(running: Embedded | Stack, loop: Loop) -> None:
    """Raises AssertionError naming what is lost or doubled."""
    await_settled(running)
    stories = loop.played
    assert set(stories) <= loop.journal.findings, "the journal lacks a report"
    check_findings(running, loop)
    check_orders(running, loop)
    check_defects(running, stories)
    check_events(running, stories)
    check_alerts(running, loop)
    check_sums(running)


def await_settled(running: Embedded | Stack, timeout_s: float = 120) -> None:
    """Until every event is published and handled: none waits, none is parked, none is dead."""
    wait_for(lambda: not left_over(running), lambda: f"everything handled; left: {left_over(running)}", timeout_s)


def left_over(running: Embedded | Stack) -> dict[str, int]:
    left = {}
    for service in SERVICES:
        waiting = rows(running, service, select(outbox.c.id).where(outbox.c.published_at.is_(None)))
        parked = rows(running, service, select(retries.c.event_id))
        left[service] = len(waiting) + len(parked)
    if isinstance(running, Stack):
        left["queues"] = sum(queue_lengths(running).values())
    return {name: count for name, count in left.items() if count}


def queue_lengths(stack: Stack) -> dict[str, int]:
    said = stack.servers.rabbitmq.ctl("list_queues", "-p", stack.name or "/", "name", "messages")
    return {name: int(count) for name, count in (line.split() for line in said.splitlines() if "." in line)}


def check_findings(running: Embedded | Stack, loop: Loop) -> None:
    """Each finding that was promised is there, once, with each of its moves once."""
    found = dict(rows(running, "inspections", select(findings.c.id, findings.c.state)))
    lost = {each for each in loop.journal.findings if UUID(each) not in found}
    assert not lost, f"findings lost: {lost}"
    assert {found[UUID(each)].value for each in loop.played} == {"resolved"}
    moves = per_story(
        rows(running, "inspections", select(finding_moves.c.finding_id, finding_moves.c.move)), loop.played
    )
    doubled = {story: made for story, made in moves.items() if made["resolve"] != 1}
    assert not doubled, f"findings not resolved once: {doubled}"


def check_orders(running: Embedded | Stack, loop: Loop) -> None:
    """One order for each finding, every move of it made once, and each that was promised among them."""
    joined = select(work_orders.c.finding_id, order_moves.c.move).join_from(work_orders, order_moves)
    moves = per_story(rows(running, "workorders", joined), loop.played)
    orders = per_story(rows(running, "workorders", select(work_orders.c.finding_id, work_orders.c.state)), loop.played)
    wrong = {story: (orders[story], moves[story]) for story in loop.played if moves[story] != WHOLE_STORY}
    assert not wrong, f"orders with other moves: {wrong}"
    assert all(states.total() == 1 for states in orders.values()), "a finding has not exactly one order"
    lost = {(story, move) for story, move in loop.journal.moves if story in moves and not moves[story][move]}
    assert not lost, f"moves lost: {lost}"


def check_defects(running: Embedded | Stack, stories: Iterable[str]) -> None:
    """One defect for each finding, recorded once, restored once, and no longer open."""
    known = dict(rows(running, "assets", select(defects.c.finding_id, defects.c.open)))
    wrong = {story for story in stories if known.get(UUID(story), True)}
    assert not wrong, f"defects missing or open: {wrong}"
    deeds = Counter(
        (row.details.get("finding_id"), row.what)
        for row in rows(running, "assets", select(facility_history.c["what"], facility_history.c.details))
    )
    for what in ("defect_recorded", "defect_restored"):
        wrong = {story for story in stories if deeds[story, what] != 1}
        assert not wrong, f"not {what} exactly once: {wrong}"


def check_events(running: Embedded | Stack, stories: Iterable[str]) -> None:
    """Every event of a story was said once."""
    for service, names in ONCE_EACH.items():
        types = [f"{service}.{name}.v1" for name in names]
        said = Counter(
            (row.event_type, finding_of(row.event_type, row.body))
            for row in rows(
                running, service, select(outbox.c.event_type, outbox.c.body).where(outbox.c.event_type.in_(types))
            )
        )
        wrong = {(each, story) for each in types for story in stories if said[each, story] != 1}
        assert not wrong, f"not said exactly once: {sorted(wrong)[:10]}"


def check_alerts(running: Embedded | Stack, loop: Loop) -> None:
    """Each alert of a gauge's story has one order, has ended, and the live stream showed it to its end."""
    opened = Counter(str(row.alert_id) for row in rows(running, "workorders", select(work_orders.c.alert_id)))
    others = {alert: opened[alert] for alert in loop.alerts if opened[alert] != 1}
    assert not others, f"alerts without exactly one order: {others}"
    known = dict(rows(running, "alerts", select(alerts.c.id, alerts.c.active)))
    wrong = {alert for alert in loop.alerts if known.get(UUID(alert), True)}
    assert not wrong, f"alerts missing or active: {wrong}"

    def unseen() -> list[str]:
        shown = loop.watcher.seen
        return [each for each in loop.alerts if each not in shown or shown[each]["state"]["active"]]

    wait_for(lambda: not unseen(), lambda: f"the live stream to show the end of {unseen()}")
    loop.watcher.stop()


def finding_of(event_type: str, body: str) -> str:
    event: Event = unseal(event_type, body)[1]
    return str(getattr(event, "finding_id", ""))


def check_sums(running: Embedded | Stack) -> None:
    """The recount of all four databases equals the running sums."""
    counted = command(running, "recount")
    assert counted.returncode == 0, counted.stdout + counted.stderr


def command(running: Embedded | Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m deploy.cli …`` on the running system's databases."""
    settings = running.environment(*SERVICES) if isinstance(running, Stack) else running.all.environment
    run = [sys.executable, "-m", "deploy.cli", *arguments]
    return subprocess.run(run, env=os.environ | settings, cwd=ROOT, capture_output=True, text=True, timeout=600)


def per_story(pairs: Iterable[tuple[UUID, object]], stories: Iterable[str]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {story: Counter() for story in stories}
    for key, what in pairs:
        if str(key) in counts:
            counts[str(key)][str(getattr(what, "value", what))] += 1
    return counts


def rows(running: Embedded | Stack, service: str, query):  # type: ignore[no-untyped-def]
    engine: Engine = create_engine(running.database_url(service))
    try:
        with closing(engine.connect()) as connection:
            return connection.execute(query).all()
    finally:
        engine.dispose()


def execute(running: Embedded | Stack, service: str, statement: str) -> None:
    """Run SQL that breaks or mends something."""
    engine = create_engine(running.database_url(service))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
