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


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_an_event_that_is_not_there_is_named_and_then_nothing_is_done(world: World, command: str) -> None:
    there, strange = dead_letter(world), uuid4()
    done = waywarden("events", command, "--service", "assets", there, strange)
    assert done.exit_code == 1
    assert str(strange) in done.output
    assert str(there) not in done.output
    assert world.count(retries, "assets", retries.c.next_at.is_(None)) == 1


def test_a_service_that_does_not_exist_has_nothing_to_migrate(world: World) -> None:
    refused = waywarden("migrate", "ghosts")
    assert refused.exit_code == 2
    assert "ghosts" in refused.output


@pytest.mark.parametrize("command", ["declare", "broker"])
@pytest.mark.parametrize(("url", "says"), [("memory://", "no broker"), ("amqp://a:secret@127.0.0.1:1/", "not answer")])
def test_commands_for_the_broker_say_when_there_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str, url: str, says: str
) -> None:
    monkeypatch.setenv("WAYWARDEN_BROKER_URL", url)
    refused = waywarden(command)
    assert (refused.exit_code, says in refused.output, "secret" in refused.output) == (1, True, False)


def test_a_database_that_does_not_answer_is_told_in_a_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYWARDEN_DATABASE_URL_ASSETS", "postgresql+psycopg2://a:secret@127.0.0.1:1/a")
    refused = waywarden("events", "list", "--service", "assets")
    assert refused.exit_code == 1
    assert "The database of assets does not answer" in refused.output
    assert "secret" not in refused.output


def test_a_name_that_is_no_setting_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WAYWARDEN_{'DATABSE'}_URL_ASSETS", "sqlite:///elsewhere")
    done = waywarden("events", "list", "--service", "assets")
    assert done.exit_code == 0
    assert "is WAYWARDEN_DATABASE_URL_ASSETS meant?" in done.stderr


def test_unusable_settings_end_the_command_with_their_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYWARDEN_PORT", "eight")
    refused = waywarden("events", "list", "--service", "assets")
    assert refused.exit_code == 1
    assert "PORT" in refused.output
