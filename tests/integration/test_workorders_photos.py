"""Who may see a photo, how many may wait to be named, and when those that nothing names end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image
from sqlalchemy import select

from services.workorders import photo_files, queries, tables
from services.workorders.domain.orders import ALL
from services.workorders.domain.photos import Bound, Holder, Picture, TooManyUnnamed
from services.workorders.service import WorkOrders
from services.workorders.use_cases import photos
from shared import clock
from shared.db import Database
from shared.errors import NotFound
from shared.events.inspections import FindingReported, mark_of
from tests.integration.databases import ENGINES, left_as_found, migrated
from tests.integration.test_workorders_http import Running

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLENTY = Bound(1_000, 10**9)
SOUTHWEST, SOUTHEAST = "crew crew-southwest", "crew crew-southeast"
EVERYBODY = ("dispatcher", "operator", "controller", "manager", "admin")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.database.close()


def a_photo(colour: int = 0) -> tuple[bytes, str]:
    out = BytesIO()
    Image.new("RGB", (4, 3), (colour % 256, colour // 256, 7)).save(out, "PNG")
    return out.getvalue(), sha256(out.getvalue()).hexdigest()


def put(running: Running, content: bytes, role: str, **more: Any) -> int:
    return running.call("PUT", f"/photos/{sha256(content).hexdigest()}", role, data=content, **more).status_code


def readers(running: Running, digest: str, *roles: str, **more: Any) -> list[str]:
    """Those of the roles that get the bytes; the others get what a photo that is not there gets."""
    answers = {role: running.call("GET", f"/photos/{digest}", role, **more) for role in roles}
    assert {each.status_code for each in answers.values()} <= {200, 404}
    missing = running.call("GET", f"/photos/{'0' * 64}", "manager").data.decode()
    told = {each.data.decode().replace(digest, "0" * 64) for each in answers.values() if each.status_code == 404}
    assert told <= {missing}
    return [role for role, each in answers.items() if each.status_code == 200]


def at_work(running: Running, role: str = SOUTHWEST, **more: Any) -> str:
    number = running.new_order(**more)
    for move in ("accept", "start"):
        assert running.call("POST", f"/work-orders/{number}/{move}", role, {}).status_code == 200
    return number


def complete(running: Running, number: str, role: str, *hashes: str) -> dict[str, Any]:
    answer = running.call("POST", f"/work-orders/{number}/complete", role, {"note": "Done.", "photos": list(hashes)})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def test_a_crew_that_names_anothers_photo_does_not_get_to_see_it(running: Running) -> None:
    content, digest = a_photo()
    assert put(running, content, SOUTHEAST) == 201
    shown = complete(running, at_work(running), SOUTHWEST, digest)
    assert shown["photos"] == [{"sha256": digest, "state": "awaited", "stage": "done"}]
    assert readers(running, digest, SOUTHWEST, SOUTHEAST, "inspector", *EVERYBODY) == [SOUTHEAST, *EVERYBODY]
    assert put(running, content, SOUTHWEST) == 200  # who has the bytes may read them
    assert readers(running, digest, SOUTHWEST) == [SOUTHWEST]


def test_what_is_awaited_stays_so_whatever_else_is_there(running: Running) -> None:
    """A colleague's photo on the crew's other order has nothing to do with it."""
    (content, digest), (mine, sent) = a_photo(), a_photo(1)
    assert put(running, mine, SOUTHWEST) == 201
    assert complete(running, at_work(running), SOUTHWEST, sent)["photos"][0]["state"] == "stored"
    assert put(running, content, SOUTHEAST) == 201
    assert complete(running, at_work(running), SOUTHWEST, digest)["photos"][0]["state"] == "awaited"


def test_a_photo_that_was_awaited_is_shown_once_who_named_it_or_their_crew_sends_it(running: Running) -> None:
    number, (content, digest) = at_work(running), a_photo()
    assert complete(running, number, SOUTHWEST, digest)["photos"][0]["state"] == "awaited"
    assert put(running, content, SOUTHWEST, headers={"name": "a colleague"}) == 201
    assert running.call("GET", f"/work-orders/{number}", SOUTHWEST).json["photos"][0]["state"] == "stored"
    assert readers(running, digest, SOUTHWEST, SOUTHEAST) == [SOUTHWEST]


def test_a_reports_photo_goes_with_its_order_when_the_reporter_has_sent_it(running: Running) -> None:
    content, digest = a_photo()
    finding, foreign = uuid4(), uuid4()
    running.new_order(finding_id=finding, photos=[digest], reporter_mark=mark_of(finding, "a inspector"))
    running.new_order(
        finding_id=foreign, photos=[digest], reporter_mark=mark_of(foreign, "a thief"), district="southeast",
        owner="roads",
    )  # fmt: skip
    assert put(running, content, "inspector") == 201
    both = (SOUTHWEST, SOUTHEAST, "inspector", "dispatcher @roads")
    assert readers(running, digest, *both) == [SOUTHWEST, "inspector"]
    assert readers(running, digest, "inspector", headers={"name": "another"}) == []


def test_a_crew_that_lost_the_order_sees_its_photos_no_more(running: Running) -> None:
    content, digest = a_photo()
    finding = uuid4()
    number = running.new_order(finding_id=finding, photos=[digest], reporter_mark=mark_of(finding, "a inspector"))
    put(running, content, "inspector")
    assert readers(running, digest, SOUTHWEST, SOUTHEAST) == [SOUTHWEST]
    running.call("POST", f"/work-orders/{number}/reassign", "dispatcher", {"crew": "crew-southeast"})
    assert readers(running, digest, SOUTHWEST, SOUTHEAST) == [SOUTHEAST]


def test_a_units_people_see_photos_of_its_orders(running: Running) -> None:
    content, digest = a_photo()
    finding = uuid4()
    running.new_order(
        finding_id=finding, photos=[digest], reporter_mark=mark_of(finding, "a inspector"), maintainer="lights"
    )
    put(running, content, "inspector")
    asked = [f"{role} @{unit}" for role in ("operator", "dispatcher", "manager") for unit in ("lights", "roads")]
    assert readers(running, digest, *asked) == ["operator @lights", "dispatcher @lights", "manager @lights"]


def test_what_was_named_before_that_was_kept_is_shown_as_it_was(running: Running) -> None:
    content, digest = a_photo()
    running.new_order(photos=[digest], reporter_mark=None)
    put(running, content, "inspector")
    with running.database.begin() as session:
        session.execute(tables.photo_holders.delete())
    assert readers(running, digest, SOUTHWEST, SOUTHEAST, "inspector") == [SOUTHWEST, "inspector"]


def test_a_photo_comes_with_headers_that_let_no_browser_run_it_and_no_proxy_keep_it(running: Running) -> None:
    content, digest = a_photo()
    put(running, content, "inspector")
    headers = running.call("GET", f"/photos/{digest}", "inspector").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Content-Disposition"].startswith("inline")
    assert headers["Cache-Control"] == "private, no-cache"


def test_photos_that_nothing_names_have_a_bound_by_account(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workorders.service.Bound", lambda *_: Bound(2, 10**9))
    pictures = [a_photo(number) for number in range(5)]
    assert [put(running, content, "inspector") for content, _ in pictures[:3]] == [201, 201, 429]
    refused = running.call("PUT", f"/photos/{pictures[2][1]}", "inspector", data=pictures[2][0])
    assert refused.json["type"] == "urn:waywarden:problem:too-many-unnamed-photos"
    assert not photo_files.path_of(running.trail.folder.parent, pictures[2][1]).exists()
    assert put(running, pictures[0][0], "inspector") == 200
    assert put(running, pictures[2][0], "operator") == 201
    running.new_order(photos=[pictures[3][1]])
    assert put(running, pictures[3][0], "inspector") == 201  # awaited
    running.new_order(photos=[pictures[1][1]])
    assert put(running, pictures[4][0], "inspector") == 201


# the end of photos that nothing names, on both engines


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with migrated(request, tmp_path_factory, "workorders", WorkOrders.metadata) as database:
        yield database


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    with left_as_found(made, WorkOrders.metadata) as database, clock.frozen(NOON):
        yield database


def store(database: Database, digest: str, by: str = "ines", bound: Bound = PLENTY) -> bool:
    with database.begin() as session:
        picture = Picture("image/png", 100, 4, 3)
        named = photos.check_room(session, sha256=digest, size=picture.size, by=Holder(by), bound=bound)
        return photos.note_photo(session, sha256=digest, picture=picture, by=Holder(by), named=named)


def report(database: Database, digest: str) -> UUID:
    event = FindingReported(
        revision=1, happened_at=NOON, recorded_at=NOON, finding_id=uuid4(), state="reported", category="lamp_out",
        severity="normal", source="hotline", longitude=None, latitude=None, reported_at=NOON, photos=[digest],
    )  # fmt: skip
    with database.begin() as session:
        photos.keep_finding_photos(session, [event, event])
    return event.finding_id


def end(database: Database, days: int = 30) -> int:
    with database.begin() as session:
        return photos.end_unnamed(session, days)


def kept(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(tables.photos.c.sha256)))


def test_what_nothing_names_ends_after_its_days_and_what_anything_names_stays(database: Database) -> None:
    for digest in ("a", "b", "c"):
        store(database, digest)
    report(database, "b")
    report(database, "awaited")
    clock.set_to(NOON + timedelta(days=29))
    assert end(database) == 0
    assert store(database, "c") is False  # sent again: as new
    store(database, "awaited")
    clock.set_to(NOON + timedelta(days=31))
    assert end(database) == 1
    assert kept(database) == {"b", "c", "awaited"}
    clock.set_to(NOON + timedelta(days=99))
    assert end(database) == 1
    assert kept(database) == {"b", "awaited"}
    assert store(database, "a") is True
    with database.read() as session, pytest.raises(NotFound):
        queries.get_photo(session, sha256="c", viewer=Holder("ines"), sight=ALL)


def test_the_bound_counts_photos_and_bytes_of_one_account(database: Database) -> None:
    store(database, "a")
    for bound in (Bound(1, 10**9), Bound(9, 199)):
        with pytest.raises(TooManyUnnamed):
            store(database, "b", bound=bound)
        assert store(database, "a", bound=bound) is False
        assert store(database, f"b{bound.photos}", by="ada", bound=Bound(9, 10**9)) is True
    assert store(database, "b", bound=Bound(2, 200)) is True


def test_a_photo_that_was_named_while_it_arrived_stays(database: Database) -> None:
    store(database, "a")
    with database.begin() as session:  # as a naming leaves it that did not see the photo yet
        session.execute(tables.finding_photos.insert(), [{"finding_id": uuid4(), "sha256": "a"}])
    clock.set_to(NOON + timedelta(days=31))
    assert end(database) == 0
    with database.read() as session:
        assert session.scalar(select(tables.photos.c.named))


def test_a_photo_that_somebody_is_naming_or_sending_again_is_not_removed(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer.")
    for digest in ("named", "sent", "old"):
        store(database, digest)
    clock.set_to(NOON + timedelta(days=31))
    with database.begin() as naming, database.begin() as sending:
        photos.note_named(naming, ["named"])
        assert photos.renew(sending, "sent")
        assert end(database) == 1
    assert end(database) == 0
    assert kept(database) == {"named", "sent"}


def test_who_names_or_sends_a_photo_that_is_being_removed_finds_it_gone_and_keeps_what_they_send(
    database: Database,
) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer.")
    store(database, "a")
    clock.set_to(NOON + timedelta(days=31))
    news: list[bool] = []
    with database.begin() as removing:
        assert photos.end_unnamed(removing, 30) == 1
        sender = threading.Thread(target=lambda: news.append(store(database, "a")))
        sender.start()
    sender.join(20)
    assert (news, kept(database)) == ([True], {"a"})


def test_two_replicas_share_the_work(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer.")
    for number in range(4):
        store(database, f"{number}")
    clock.set_to(NOON + timedelta(days=31))
    with database.begin() as one, database.begin() as other:
        assert photos.end_unnamed(one, 30) == 4
        assert photos.end_unnamed(other, 30) == 0
    assert kept(database) == set()
