"""HTTP: who may call, what is refused and how, what takes effect once, and how it stops."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import eventlet
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert
from werkzeug.test import TestResponse

from shared import clock
from shared.auth import User
from shared.outbox import outbox
from tests.integration.toy import Inspections, World, report, things, until

PROBLEM = "application/problem+json"


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """Only the service with routes."""
    return new_world().start(Inspections)


def refused(answer: TestResponse, status: int, *at: str) -> None:
    """Check that it is a problem document that names these fields."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    document = answer.get_json(force=True)
    assert document["status"] == status
    assert document["type"].startswith("urn:waywarden:problem:")
    assert document["title"]
    assert document["detail"]
    assert [each["field"] for each in document.get("errors", [])] == list(at)
    assert "Traceback" not in answer.text


def body(**more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "category": "lamp_out", **more}


# --- input -------------------------------------------------------------------------------------------------------


def test_the_field_at_fault_is_named_and_nothing_is_stored(world: World) -> None:
    wrong = {"id": "x", "category": 5, "size": "5", "colour": "red"}
    answer = world.call("POST", "/things", wrong, role="inspector")
    assert answer.status_code == 422
    assert {each["field"] for each in answer.get_json(force=True)["errors"]} == {"id", "category", "size", "colour"}
    refused(world.call("POST", "/things", {"id": str(uuid4())}, role="inspector"), 422, "category")
    assert world.count(things, "inspections") == 0


@pytest.mark.parametrize("sent", [b"{", b"", b"nonsense", b'{"a":NaN}', b"\xff", b"[" * 5_000, b'{"id":"\x00"}'])
def test_what_is_no_json_is_malformed(world: World, sent: bytes) -> None:
    refused(world.call("POST", "/things", sent, role="inspector"), 400)


@pytest.mark.parametrize("sent", [b"[]", b"null", b"5", b'"text"'])
def test_json_that_is_no_object_is_invalid(world: World, sent: bytes) -> None:
    assert world.call("POST", "/things", sent, role="inspector").status_code == 422


def test_text_with_a_nul_is_invalid(world: World) -> None:
    refused(world.call("POST", "/things", body(category="a\x00b"), role="inspector"), 422, "category")


def test_a_body_of_another_kind_is_unsupported(world: World) -> None:
    refused(world.call("POST", "/things", b"<a/>", role="inspector", Content_Type="text/xml"), 415)


def test_a_huge_body_is_too_large(world: World) -> None:
    refused(world.call("POST", "/things", b" " * 10_001, role="inspector"), 413)


@pytest.mark.parametrize("path", ["/nothing", "/things/no-uuid", "/things/%00", "/coded/%00", "/things/%ff", "/a%0ab"])
def test_an_address_without_a_thing_is_a_problem_document_too(world: World, path: str) -> None:
    refused(world.call("GET", path, role="inspector"), 404)


def test_another_method_is_a_problem_document_too_and_says_which_it_takes(world: World) -> None:
    answer = world.call("DELETE", "/things", role="inspector")
    refused(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_an_unknown_or_doubled_query_argument_is_invalid(world: World) -> None:
    refused(world.call("GET", "/things?colour=red", role="inspector"), 422, "colour")
    refused(world.call("GET", "/things?limit=5&limit=6", role="inspector"), 422, "limit")
    refused(world.call("GET", "/things?limit=0", role="inspector"), 422, "limit")
    refused(world.call("GET", "/things?limit=1001", role="inspector"), 422, "limit")
    refused(world.call("GET", "/things?limit=5.5", role="inspector"), 422, "limit")


def test_a_bug_is_a_500_that_tells_no_secret(world: World) -> None:
    answer = world.call("GET", "/crash")
    refused(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "未找到"),
        ("zh", "未找到"),
        ("en-GB", "There is no such thing."),
        ("fi", "There is no such thing."),
        ("", "There is no such thing."),
    ],
)
def test_titles_come_in_the_clients_language(world: World, language: str, title: str) -> None:
    answer = world.call("GET", f"/things/{uuid4()}", role="inspector", Accept_Language=language)
    assert answer.get_json(force=True)["title"] == title


# --- who ---------------------------------------------------------------------------------------------------------


def test_without_a_token_there_is_no_answer_but_on_public_routes(world: World) -> None:
    answer = world.call("GET", "/things")
    refused(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert world.call("GET", "/open").get_json() == {"role": "public"}


def test_roles_are_kept_to(world: World) -> None:
    refused(world.call("POST", "/things", body(), role="crew"), 403)
    refused(world.call("POST", "/things", body(), role="manager"), 403)
    refused(world.call("GET", "/things", role="device"), 403)
    assert world.call("GET", "/things", role="manager").status_code == 200
    assert world.call("POST", "/things", body(), role="admin").status_code == 201


def forged(world: World) -> dict[str, str]:
    """Tokens that are none of ours, by what is wrong with them."""
    now = datetime.now(UTC)
    kid = world.keys.jwks["keys"][0]["kid"]
    claims = {"iss": "waywarden", "sub": "eve", "role": "admin", "iat": now, "exp": now + timedelta(hours=1)}
    stranger, ours = Ed25519PrivateKey.generate(), world.keys.signing
    public = ours.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)  # type: ignore[union-attr]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).decode().rstrip("=")
    payload = jwt.encode(claims, "k" * 32).split(".")[1]

    def made(changes: dict[str, Any], key: Any = ours, kid: Any = kid, algorithm: str = "EdDSA") -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else {})

    good = made({})
    return {
        "no algorithm": f"{head}.{payload}.",
        "a shared secret that is our public key": made({}, base64.b64encode(public), algorithm="HS256"),
        "a stranger's key": made({}, stranger),
        "an unknown key": made({}, kid="other"),
        "no key named": made({}, kid=None),
        "another issuer": made({"iss": "elsewhere"}),
        "no expiry": made({"exp": None}),
        "no role": made({"role": None}),
        "expired": made({"exp": now - timedelta(seconds=1)}),
        "changed claims": ".".join([good.split(".")[0], payload[:-4] + "AAAA", good.split(".")[2]]),
        "cut": good[:-10],
        "nonsense": "x.y.z",
        "not ascii": "é" * 20,
    }


def test_a_forged_or_expired_token_is_none(world: World) -> None:
    for wrong, token in forged(world).items():
        answer = world.call("GET", "/things", Authorization=f"Bearer {token}")
        assert answer.status_code == 401, wrong
        assert answer.content_type == PROBLEM


def test_a_token_ends_with_its_time_by_our_clock(world: World) -> None:
    token = world.keys.sign(User("ann", "inspector"), timedelta(minutes=15))
    assert world.call("GET", "/things", Authorization=f"Bearer {token}").status_code == 200
    with clock.frozen(datetime.now(UTC) + timedelta(minutes=16)):
        refused(world.call("GET", "/things", Authorization=f"Bearer {token}"), 401)
        later = world.token("inspector")
        assert world.call("GET", "/things", Authorization=f"bearer {later}").status_code == 200


# --- once --------------------------------------------------------------------------------------------------------


def test_the_same_id_again_answers_as_the_first_time_and_another_body_is_a_conflict(world: World) -> None:
    sent = body(size=2.5)
    first, again = (world.call("POST", "/things", sent, role="inspector") for _ in range(2))
    assert (first.status_code, first.data, first.headers["ETag"]) == (201, again.data, again.headers["ETag"])
    assert again.status_code == 201
    refused(world.call("POST", "/things", {**sent, "size": 3}, role="inspector"), 409)
    assert world.count(things, "inspections") == world.count(outbox, "inspections") == 1


def test_the_same_id_at_the_same_time_has_one_effect(world: World) -> None:
    sent = body()
    calls = [eventlet.spawn(world.call, "POST", "/things", sent, role="inspector") for _ in range(8)]
    answers = [each.wait() for each in calls]
    assert {each.status_code for each in answers} == {201}
    assert len({each.data for each in answers}) == 1
    assert world.count(outbox, "inspections") == 1


def test_the_same_id_at_the_same_time_with_other_bodies_has_one_effect_and_conflicts(world: World) -> None:
    thing_id = str(uuid4())
    sent = [{"id": thing_id, "category": f"kind-{n}"} for n in range(6)]
    calls = [eventlet.spawn(world.call, "POST", "/things", each, role="inspector") for each in sent]
    assert sorted(each.wait().status_code for each in calls) == [201, 409, 409, 409, 409, 409]
    assert world.count(outbox, "inspections") == 1


def test_a_refused_command_may_be_put_right_under_the_same_id(world: World) -> None:
    sent = body(category="refused")
    refused(world.call("POST", "/things", sent, role="inspector"), 422, "category")
    assert world.call("POST", "/things", {**sent, "category": "lamp_out"}, role="inspector").status_code == 201


def test_a_move_with_an_idempotency_key_takes_effect_once(world: World) -> None:
    thing_id = world.report()
    path, key = f"/things/{thing_id}/grow", {"Idempotency_Key": "abc"}
    first, again = (world.call("POST", path, {"by": 1.5}, role="crew", **key) for _ in range(2))
    assert first.get_json()["size"] == again.get_json()["size"] == 1.5
    assert first.headers["ETag"] == again.headers["ETag"] == '"2"'
    refused(world.call("POST", path, {"by": 2}, role="crew", **key), 409)
    refused(world.call("POST", f"/things/{world.report()}/grow", {"by": 1.5}, role="crew", **key), 409)
    assert world.call("POST", path, {"by": 1.5}, role="crew").get_json()["size"] == 3.0
    refused(world.call("POST", path, {"by": 1}, role="crew", Idempotency_Key="k" * 201), 422, "Idempotency-Key")


def test_two_people_may_choose_one_idempotency_key(world: World) -> None:
    path = f"/things/{world.report()}/grow"
    one = world.call("POST", path, {"by": 1}, role="crew", Idempotency_Key="1")
    other = world.call("POST", path, {"by": 1}, role="admin", Idempotency_Key="1")
    assert (one.get_json()["size"], other.get_json()["size"]) == (1.0, 2.0)


def test_a_natural_key_names_its_command(world: World) -> None:
    sent = {"code": "L-1", "category": "lamp"}
    assert [world.call("POST", "/coded", sent, role="inspector").status_code for _ in range(2)] == [201, 201]
    refused(world.call("POST", "/coded", {**sent, "category": "pole"}, role="inspector"), 409)
    assert world.count(things, "inspections") == 1


def test_a_change_of_what_was_read_before_another_change_is_stale(world: World) -> None:
    thing_id = world.report()
    tag = world.call("GET", f"/things/{thing_id}", role="crew").headers["ETag"]
    path = f"/things/{thing_id}/grow"
    assert world.call("POST", path, {"by": 1}, role="crew", If_Match=tag).status_code == 200
    refused(world.call("POST", path, {"by": 1}, role="crew", If_Match=tag), 412)
    refused(world.call("POST", path, {"by": 1}, role="crew", If_Match='"nonsense"'), 412)
    assert world.call("POST", path, {"by": 1}, role="crew", If_Match="*").status_code == 200


def test_concurrent_changes_of_one_revision_leave_one(world: World) -> None:
    path = f"/things/{world.report()}/grow"
    calls = [eventlet.spawn(world.call, "POST", path, {"by": 1}, role="crew", If_Match='"1"') for _ in range(5)]
    assert sorted(each.wait().status_code for each in calls) == [200, 412, 412, 412, 412]


# --- pages -------------------------------------------------------------------------------------------------------


def test_pages_hold_everything_exactly_once_while_others_insert(world: World) -> None:
    with world.databases["inspections"].begin() as session:
        for number in range(50):
            report(session, uuid4(), f"kind-{number % 7}")
    before = {item["id"] for item in world.call("GET", "/things?limit=1000", role="crew").get_json()["items"]}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = world.call("GET", f"/things?limit=7{cursor and '&cursor=' + cursor}", role="crew").get_json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
        world.report("kind-3")
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def cursor_of(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "====", "%C3%A9", "W10", cursor_of(), cursor_of("a"), cursor_of("a", "b"), cursor_of(1, str(uuid4())),
        cursor_of("a\x00", str(uuid4())), cursor_of("a", None), cursor_of("a", str(uuid4()), 1), cursor_of({}, []),
    ],
)  # fmt: skip
def test_a_cursor_that_is_none_of_ours_is_invalid(world: World, cursor: str) -> None:
    refused(world.call("GET", f"/things?cursor={cursor}", role="crew"), 422, "cursor")


# --- the server itself -------------------------------------------------------------------------------------------


def exchange(port: int, *parts: bytes) -> bytes:
    """Send over a socket of its own; everything that came until the server closed it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        try:
            while more := connection.recv(65_536):
                answer += more
        except ConnectionError:
            pass
        return answer


def head(world: World, *more: str) -> bytes:
    lines = ["POST /api/v1/things HTTP/1.1", "Host: x", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([*lines, f"Authorization: Bearer {world.token('inspector')}", *more, "", ""]).encode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in [*chunks, b""])


def test_a_chunked_body_is_read_and_its_size_is_limited(world: World) -> None:
    port = world.serve()
    sent = json.dumps(body()).encode()
    answer = exchange(port, head(world, "Transfer-Encoding: chunked"), chunked(sent[:10], sent[10:]))
    assert answer.startswith(b"HTTP/1.1 201 ")
    answer = exchange(port, head(world, "Transfer-Encoding: chunked"), chunked(*[b" " * 5_000] * 3))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_breaks_off_or_lies_about_its_length_is_the_clients_fault(world: World) -> None:
    port = world.serve()
    assert exchange(port, head(world, "Transfer-Encoding: chunked"), b"zz\r\n{}\r\n").startswith(b"HTTP/1.1 4")
    assert b" 400 " in exchange(port, head(world, "Content-Length: nonsense"), b"{}")[:20]
    assert world.count(things, "inspections") == 0


def test_a_stream_holds_no_worker_and_ends_at_the_stop(new_world: Callable[..., World]) -> None:
    world = new_world(workers=2).start(Inspections)
    port = world.serve()
    request = f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token('inspector')}\r\n\r\n"
    streams = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(10)]
    for each in streams:
        each.sendall(request.encode())
    for each in streams:
        received = b""
        while b"tick" not in received:
            received += each.recv(1_000)
    assert world.call("GET", "/open").status_code == 200
    world.stop()
    for each in streams:
        while each.recv(10_000):
            pass
        each.close()


def test_a_stop_answers_the_requests_in_hand(world: World) -> None:
    port = world.serve()
    call = eventlet.spawn(exchange, port, b"GET /api/v1/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    eventlet.sleep(0.2)
    world.stop()
    assert b'"at_once":1' in call.wait()
    with pytest.raises(OSError, match=r"REFUSED|refused"):
        exchange(port)


def test_a_change_is_numbered_soon_after_its_commit(world: World) -> None:
    from shared import changes

    thing_id = world.report()

    def numbered() -> bool:
        with world.databases["inspections"].read() as session:
            found = changes.since(session, 0, kinds=["thing"])
        return [each.key for each in found] == [str(thing_id)]

    until(numbered)


def test_a_row_that_another_broke_in_with_is_a_conflict(world: World) -> None:
    thing_id = uuid4()
    with world.databases["inspections"].begin() as session:
        session.execute(insert(things).values(id=thing_id, category="x", size=0.0, revision=1))
    refused(world.call("POST", "/things", body(id=str(thing_id)), role="inspector"), 409)
