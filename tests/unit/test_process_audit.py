"""The audit trail as a process keeps it, and as an administrator reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import LOST, MOST_OF_ONE, Trail, read
from shared import clock
from shared.audit import Entry
from shared.errors import Conflict, Forbidden, NotFound, Refused, Unauthenticated

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.frozen(NOON):
        yield


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(tmp_path / "audit", days=10)
    yield made
    made.close()


def request(trail: Trail, refused: Refused | None = None, sort: Any = "read", **about: Any) -> None:
    known = {"method": "GET", "route": "/x", "service": "workorders", "address": "192.0.2.1"} | about
    account, role, on = known.pop("account", "li.wei"), known.pop("role", "crew"), known.pop("on", {"number": "1"})
    try:
        with Entry(trail, sort, on, **known) as entry:
            entry.account, entry.role = account, role
            if refused:
                raise refused
    except Refused:
        pass


def written(trail: Trail) -> list[dict[str, Any]]:
    return list(read(trail.folder, NOON - 99 * DAY, NOON + 99 * DAY))


def test_an_entry_says_who_did_what_from_where_and_how_it_ended(trail: Trail) -> None:
    request(trail)
    (entry,) = written(trail)
    assert entry == {
        "at": NOON.isoformat(), "account": "li.wei", "role": "crew", "sort": "read", "outcome": "done", "reason": None,
        "on": {"number": "1"}, "request_id": None, "method": "GET", "route": "/x", "service": "workorders",
        "address": "192.0.2.1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (Unauthenticated(), "unauthenticated"),
        (Forbidden(), "forbidden"),
        (NotFound().but_there(True), "foreign"),
        (NotFound().but_there(False), None),
        (Conflict(), None),
    ],
)
def test_refusals_are_kept_and_mistakes_are_not(trail: Trail, refused: Refused, reason: str | None) -> None:
    request(trail, refused, sort=None)
    assert [each["reason"] for each in written(trail)] == ([reason] if reason else [])


def test_what_is_no_matter_of_the_trail_leaves_nothing(trail: Trail) -> None:
    request(trail, sort=None)
    assert written(trail) == []


def test_the_same_again_within_a_minute_is_counted(trail: Trail) -> None:
    for _ in range(4):
        request(trail)
    assert len(written(trail)) == 1
    clock.set_to(NOON + timedelta(minutes=2))
    request(trail, account="wang.fang")
    assert [(each["account"], each.get("again")) for each in written(trail)] == [
        ("li.wei", None), ("li.wei", 3), ("wang.fang", None),
    ]  # fmt: skip


def test_guesses_without_end_do_not_fill_the_disk_and_are_all_counted(trail: Trail) -> None:
    for number in range(MOST_OF_ONE + 500):
        request(trail, Unauthenticated(), sort="sign-in", account=f"guess-{number}", role="public", on={})
    trail.flush()
    assert len(found := written(trail)) == MOST_OF_ONE + 2
    assert sum(1 + each["again"] if "again" in each else 0 for each in found) == 500


def test_one_account_that_tries_all_numbers_does_not_fill_the_disk(trail: Trail) -> None:
    for number in range(MOST_OF_ONE + 500):
        request(trail, NotFound().but_there(True), on={"number": number})
    assert len(written(trail)) == MOST_OF_ONE + 1


def test_files_go_when_their_time_is_over(trail: Trail) -> None:
    request(trail)
    clock.set_to(NOON + 10 * DAY)
    request(trail, account="wang.fang")
    assert len(written(trail)) == 2
    clock.set_to(NOON + 11 * DAY)
    request(trail, account="zhao.min")
    assert [each["account"] for each in written(trail)] == ["wang.fang", "zhao.min"]


def test_only_its_owner_reads_it(trail: Trail) -> None:
    request(trail)
    assert [path.stat().st_mode & 0o777 for path in (trail.folder, *trail.folder.iterdir())] == [0o700, 0o600]


def test_processes_write_files_of_their_own_that_are_read_as_one(tmp_path: Path) -> None:
    one, other = Trail(tmp_path, 10), Trail(tmp_path, 10)
    other._name = "another-host.1.jsonl"
    for number in range(4):
        clock.set_to(NOON + timedelta(seconds=number))
        request(one if number % 2 else other, on={"number": number})
    assert [each["on"]["number"] for each in written(one)] == ["0", "1", "2", "3"]
    assert len(list(tmp_path.iterdir())) == 2
    one.close()
    other.close()


def test_what_cannot_be_written_is_counted_and_goes_to_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = LOST._value.get()
    (tmp_path / "audit").write_text("a file where the folder should be")
    request(Trail(tmp_path / "audit", 10))
    assert LOST._value.get() == before + 1
    assert "li.wei" in "".join(capsys.readouterr())


def test_a_torn_line_costs_no_other(trail: Trail) -> None:
    request(trail)
    (path,) = trail.folder.iterdir()
    with path.open("a") as file:
        file.write('{"at": "2026-03-02T12:0')
    trail._torn = b"\n"
    request(trail, account="wang.fang")
    assert [each["account"] for each in written(trail)] == ["li.wei", "wang.fang"]
    assert json.loads(path.read_text().splitlines()[-1])["account"] == "wang.fang"
