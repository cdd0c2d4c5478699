"""The web server's edge: connections that dawdle, requests that read two ways, bodies that unpack into much."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import eventlet
import pytest

from deploy import connections
from deploy.connections import Clients, Limits, household
from tests.integration.toy import Inspections, World, things, until

LOCAL = "127.0.0.1"


@pytest.fixture
def shape() -> str:
    """The web server is the same in both shapes."""
    return "embedded"


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world().start(Inspections)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection((LOCAL, port), timeout=10) as connection:
        yield connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    answer = b""
    try:
        while more := connection.recv(65_536):
            answer += more
    except ConnectionError:
        pass
    return answer


def exchange(port: int, *parts: bytes) -> bytes:
    with connected(port) as connection:
        for part in parts:
            connection.sendall(part)
        return all_of(connection)


def post(world: World, *more: str, close: bool = True) -> bytes:
    lines = ["POST /api/v1/things HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {world.token('inspector')}", *["Connection: close"] * close, *more]
    return "\r\n".join([*lines, "", ""]).encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET /api", b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\nX-"])
def test_a_head_that_does_not_come_ends_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    monkeypatch.setattr(connections, "IDLE_S", 0.2)
    exchange(world.serve(), sent)  # returns: the server hung up


def test_a_head_that_trickles_ends_at_its_deadline_however_often_a_byte_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with connected(world.serve()) as connection:
        connection.sendall(b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\n")

        def ended() -> bool:
            try:
                connection.sendall(b"X-A: 1\r\n")
            except OSError:
                return True
            return False

        until(ended)


def test_a_body_that_does_not_come_is_the_clients_fault_and_ends_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BODY_S", 0.2)
    answer = exchange(world.serve(), post(world, "Content-Length: 100", close=False), b"{")
    assert status_of(answer) == 400


def test_a_slow_body_keeps_no_worker(new_world: Callable[..., World]) -> None:
    world = new_world(workers=2).start(Inspections)
    port = world.serve()
    with ExitStack() as open_ones:
        for _ in range(6):
            slow = open_ones.enter_context(connected(port))
            slow.sendall(post(world, "Content-Length: 100"))
        assert status_of(exchange(port, b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == 200


# --- how many ----------------------------------------------------------------------------------------------------


ASKING = b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
OPEN = b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("limits", [Limits(connections_per_address=3), Limits(connections=3)])
def test_one_more_connection_takes_the_place_of_the_oldest_that_waits(world: World, limits: Limits) -> None:
    world.site.clients = Clients(limits)
    port = world.serve()
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(connected(port)) for _ in range(3)]
        until(lambda: len(world.site.clients.waiting.get(LOCAL, {})) == 3)
        assert status_of(exchange(port, OPEN)) == 200
        assert slow[0].recv(1) == b""
    until(lambda: not world.site.clients.connected and not world.site.clients.waiting)


@pytest.mark.parametrize(("limits", "status"), [(Limits(connections_per_address=2), 429), (Limits(connections=2), 503)])
def test_one_more_than_there_may_be_at_work_is_told_to_wait(world: World, limits: Limits, status: int) -> None:
    world.site.clients = Clients(limits)
    port = world.serve()
    with ExitStack() as open_ones:
        for _ in range(2):
            stream = open_ones.enter_context(connected(port))
            stream.sendall(ASKING % world.token("inspector").encode())
            assert status_of(stream.recv(1_000)) == 200
        refused = exchange(port, b"")
        assert status_of(refused) == status
        assert b"Retry-After: 1" in refused


def test_a_named_proxy_has_as_many_connections_as_there_are() -> None:
    clients = Clients(Limits(proxies=("127.0.0.0/8",), connections_per_address=1))
    assert [clients.enter(LOCAL) for _ in range(5)] == [0] * 5
    assert [clients.enter("192.0.2.1") for _ in range(2)] == [0, 429]


def test_a_server_that_is_out_of_files_accepts_again_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError(24, "Too many open files"), OSError(104, "reset"), OSError(32, "pipe")]

    class Listening:
        def accept(self) -> str:
            if failures:
                raise failures.pop()
            return "a connection"

    assert connections.Door(Listening()).accept() == "a connection"


def test_an_account_has_so_many_streams(new_world: Callable[..., World]) -> None:
    world = new_world(streams_per_account=2).start(Inspections)
    port = world.serve()
    asked = f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token('inspector')}\r\n\r\n"
    with ExitStack() as open_ones:
        for _ in range(2):
            stream = open_ones.enter_context(connected(port))
            stream.sendall(asked.encode())
            assert status_of(stream.recv(1_000)) == 200
        assert world.call("GET", "/stream", role="inspector").status_code == 429
        assert world.call("GET", "/stream", role="admin").status_code == 200
    until(lambda: world.call("GET", "/stream", role="inspector").status_code == 200)


def test_an_account_that_asks_for_much_at_once_does_not_keep_the_next_one_waiting(
    new_world: Callable[..., World],
) -> None:
    world = new_world(workers=4, requests_per_account=2).start(Inspections)
    slow = [eventlet.spawn(world.call, "GET", "/slow", role="crew") for _ in range(10)]
    eventlet.sleep(0)
    with eventlet.Timeout(1):
        assert world.call("GET", "/open", role="inspector").status_code == 200
    assert {each.wait().status_code for each in slow} == {200}


def test_an_account_has_few_long_pages_at_once_and_as_many_short_ones_as_other_requests(
    new_world: Callable[..., World],
) -> None:
    world = new_world(workers=8, requests_per_account=6).start(Inspections)
    asked = {limit: [eventlet.spawn(world.call, "GET", f"/slow?limit={limit}", role="crew") for _ in range(6)]
             for limit in (100, 101)}  # fmt: skip
    highest = {limit: max(each.wait().get_json()["at_once"] for each in calls) for limit, calls in asked.items()}
    assert highest == {100: 6, 101: 2}


# --- requests that read two ways ------------------------------------------------------------------------------------

HEAD = b"POST /api/v1/things HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\n\r\n"
TWO_WAYS = {
    "both lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "two codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + HIDDEN,
    "a coding before chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding that is none": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
    "a tab in the coding": HEAD + b"Transfer-Encoding: chunked\x0b\r\n\r\n" + HIDDEN,
    "a signed length": HEAD + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\n" + HIDDEN,
    "a list of lengths": HEAD + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "a space before the colon": HEAD + b"Content-Length : 5\r\n\r\n" + HIDDEN,
    "a folded header": HEAD + b"X-A: b\r\n Content-Length: 5\r\n\r\n" + HIDDEN,
    "a folded first header": b"GET /api/v1/open HTTP/1.1\r\n Host: x\r\n\r\n" + HIDDEN,
    "a bare return": HEAD + b"X-A: b\rContent-Length: 5\r\n\r\n" + HIDDEN,
    "a nul": HEAD + b"X-A: b\x00\r\n\r\n" + HIDDEN,
    "no colon": HEAD + b"nonsense\r\n\r\n" + HIDDEN,
    "two hosts": HEAD + b"Host: y\r\n\r\n" + HIDDEN,
    "no host": b"GET /api/v1/open HTTP/1.1\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": b"POST /api/v1/things HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "another protocol": b"GET /api/v1/open HTTP/3.0\r\nHost: x\r\n\r\n" + HIDDEN,
    "no protocol": b"GET /api/v1/open\r\n\r\n" + HIDDEN,
    "two authorizations": HEAD + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" + HIDDEN,
}  # fmt: skip


@pytest.mark.parametrize("sent", TWO_WAYS.values(), ids=TWO_WAYS)
def test_a_request_that_could_be_read_two_ways_is_refused_and_the_connection_ends(world: World, sent: bytes) -> None:
    answer = exchange(world.serve(), sent)
    assert 400 <= status_of(answer) < 600
    assert answer.count(b"HTTP/1.1 ") == 1, "what followed was taken for a request"


def chunks(*texts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in texts)


FINE = json.dumps({"id": "3f1f3a2e-0b2e-4a2e-9a55-6f2f9d1f7a11", "category": "x"}).encode()
BAD_CHUNKS = {
    "an endless chunk line": b"1;" + b"a" * 100_000,
    "a long extension": b"1;" + b"a" * 300 + b"\r\n{\r\n",
    "a signed size": b"+1\r\n{\r\n0\r\n\r\n",
    "a size in Python's way": b"0x1\r\n{\r\n0\r\n\r\n",
    "an underscored size": b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n",
    "a size too long": b"f" * 20 + b"\r\n{",
    "a chunk longer than it says": b"1\r\n{}\r\n0\r\n\r\n",
    "a bare line feed": b"1\n{\r\n0\r\n\r\n",
    "chunks of one byte": chunks(*[b" "] * 3_000) + b"0\r\n\r\n",
    "endless trailers": chunks(FINE) + b"0\r\n" + b"X-A: b\r\n" * 5_000 + b"\r\n",
    "a trailer that is none": chunks(FINE) + b"0\r\nnonsense\r\n\r\n",
    "the end in the middle": b"5\r\n{",
}  # fmt: skip


@pytest.mark.parametrize("sent", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_chunks_that_are_not_as_they_should_be_are_refused_and_the_connection_ends(world: World, sent: bytes) -> None:
    with connected(world.serve()) as connection:
        try:
            connection.sendall(post(world, "Transfer-Encoding: chunked", close=False) + sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = all_of(connection)
    assert not answer or status_of(answer) == 400
    assert world.count(things, "inspections") == 0


def test_chunks_with_extensions_and_trailers_are_read(world: World) -> None:
    port = world.serve()
    sent = b"%x;name=value\r\n%s\r\n0\r\nX-Sum: 5\r\n\r\n" % (len(FINE), FINE)
    with connected(port) as connection:
        connection.sendall(post(world, "Transfer-Encoding: chunked", close=False) + sent)
        assert status_of(connection.recv(65_536)) == 201
        connection.sendall(HIDDEN)
        assert status_of(connection.recv(65_536)) == 200


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(world: World) -> None:
    with connected(world.serve()) as connection:
        connection.sendall(post(world, "Expect: 100-continue", f"Content-Length: {len(FINE)}"))
        assert status_of(connection.recv(100)) == 100
        connection.sendall(FINE)
        assert status_of(all_of(connection)) == 201


def test_requests_sent_ahead_are_answered_in_turn(world: World) -> None:
    last = b"GET /api/v1/open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(world.serve(), HIDDEN + HIDDEN + last).count(b"HTTP/1.1 200 ") == 3


# --- what bodies hold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"[" * 33 + b"]" * 33,
        b"{" + b",".join(b'"k%d":0' % n for n in range(1_001)) + b"}",
        b"1" * 9_000,
        b"[1e999]",
    ],
    ids=["deep objects", "deep lists", "many fields", "a huge number", "an infinite number"],
)
def test_a_body_of_a_hostile_shape_is_malformed(world: World, sent: bytes) -> None:
    assert world.call("POST", "/things", sent, role="inspector").status_code == 400


def test_a_body_of_too_many_values_is_malformed(new_world: Callable[..., World]) -> None:
    world = new_world(body_limit_bytes=1_000_000).start(Inspections)
    assert world.call("POST", "/things", b"[" + b"0," * 200_000 + b"0]", role="inspector").status_code == 400


def test_a_packed_body_is_not_unpacked(world: World) -> None:
    sent = {"Content_Encoding": "gzip"}
    assert world.call("POST", "/things", b"{}", role="inspector", **sent).status_code == 415


# --- whose address ---------------------------------------------------------------------------------------------------


def believed(proxies: tuple[str, ...], remote: str, **headers: str) -> tuple[str, str]:
    environ: dict[str, Any] = {"REMOTE_ADDR": remote, "wsgi.url_scheme": "http"}
    environ |= {"HTTP_" + name: text for name, text in headers.items()}
    Clients(Limits(proxies=proxies)).believe(environ)
    assert not [name for name in environ if "FORWARDED" in name]
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


PROXIES = ("10.0.0.0/8", "2001:db8::/48")


@pytest.mark.parametrize(
    ("remote", "said", "address"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "10.2.3.4", "10.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("2001:db8::1", "2001:db9::5", "2001:db9::5"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_only_a_named_proxy_says_whom_it_speaks_for(remote: str, said: str, address: str) -> None:
    assert believed(PROXIES, remote, X_FORWARDED_FOR=said)[0] == address


def test_only_a_named_proxy_says_that_a_request_came_by_https() -> None:
    assert believed(PROXIES, "192.0.2.1", X_FORWARDED_PROTO="https")[1] == "http"
    assert believed(PROXIES, "10.0.0.1", X_FORWARDED_PROTO="https")[1] == "https"
    assert believed(PROXIES, "10.0.0.1", X_FORWARDED_PROTO="gopher")[1] == "http"


def test_the_many_addresses_of_one_ipv6_user_count_as_one() -> None:
    assert household("2001:db8:1:2::1") == household("2001:db8:1:2:ffff::9") != household("2001:db8:1:3::1")
    assert household("::ffff:192.0.2.1") == household("192.0.2.1") == "192.0.2.1"
