"""The command for events that failed: it lists, shows, replays and discards them, beside the running services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from deploy import cli
from shared.events.queues import SERVICES
from shared.inbox import retries
from tests.integration.toy import World, faults, things, until


@pytest.fixture
def world(new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, urls: dict[str, str]) -> World:
    for name in SERVICES:
        monkeypatch.setenv(f"WAYWARDEN_DATABASE_URL_{name.upper()}", urls.get(name, urls["assets"]))
    return new_world().start()


def waywarden(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.main, [str(each) for each in arguments])


def dead_letter(world: World) -> UUID:
    """The id of a new one."""
    known = ids(world)
    faults.add("poison")
    world.report("poison")
    until(lambda: world.count(retries, "assets", retries.c.next_at.is_(None)) == len(known) + 1)
    (event_id,) = ids(world) - known
    return event_id


def ids(world: World) -> set[UUID]:
    with world.databases["assets"].read() as session:
        return set(session.scalars(select(retries.c.event_id)))


def test_a_dead_letter_is_listed_shown_and_replayed_once_the_bug_is_gone(world: World) -> None:
    event_id = dead_letter(world)
    listed = waywarden("events", "list", "--service", "assets")
    assert listed.exit_code == 0
    for expected in (
        "assets.record_defects",
        str(event_id),
        "inspections.finding_confirmed.v1",
        "dead",
        "BrokenHandler",
    ):
        assert expected in listed.output
    shown = json.loads(waywarden("events", "show", "--service", "assets", event_id).output)
    assert shown["body"]["data"]["category"] == "poison"
    assert shown["tries"] == "3"

    faults.clear()
    assert "1 will be tried again" in waywarden("events", "replay", "--service", "assets", event_id).output
    until(lambda: world.sums("recorded") == {"poison": 1})
    assert waywarden("events", "list", "--service", "assets", "--all").output == ""


def test_a_replayed_event_that_still_fails_is_a_dead_letter_again(world: World) -> None:
    event_id = dead_letter(world)
    waywarden("events", "replay", "--service", "assets", "--all")
    until(lambda: world.count(retries, "assets", retries.c.next_at.is_(None)) == 1)
    assert ids(world) == {event_id}
    assert world.count(things) == 0


def test_only_what_is_named_is_discarded(world: World) -> None:
    first, second = dead_letter(world), dead_letter(world)
    assert "1 discarded" in waywarden("events", "discard", "--service", "assets", first).output
    assert ids(world) == {second}


def test_what_is_not_there_or_not_named_is_refused(world: World) -> None:
    assert waywarden("events", "show", "--service", "assets", uuid4()).exit_code == 1
    assert waywarden("events", "replay", "--service", "assets").exit_code == 1
    assert waywarden("events", "discard", "--service", "assets").exit_code == 2
    assert waywarden("events", "list").exit_code == 2
    assert "0 discarded" in waywarden("events", "discard", "--service", "assets", uuid4()).output


def test_unusable_settings_end_the_command_with_their_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYWARDEN_PORT", "eight")
    refused = waywarden("events", "list", "--service", "assets")
    assert refused.exit_code == 1
    assert "PORT" in refused.output
