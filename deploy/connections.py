"""How the web server reads its connections: nobody keeps one for nothing, and no request reads as another one.

Each connection has so long to say what it wants, and sends its body at a least pace. One address has so many of them.
What two servers could read differently (RFC 9112, section 11.2) is refused.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import ipaddress
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import eventlet
import eventlet.wsgi
from eventlet import greenio

from shared.settings import Settings
from shared.web import PROBLEM, to_json

HANG_UP = "waywarden.hang_up"
IDLE_S, HEAD_S, BODY_S, SEND_S = 75, 10, 20, 75
LEAST_PACE = 2_000  # bytes of a body a second, once BODY_S have passed
TURN = 16  # reads after which others have a turn, however fast this one sends
LONGEST_CHUNK_LINE, LONGEST_TRAILERS = 256, 8_192
FREE_CHUNKS, SMALLEST_CHUNK = 1_000, 64
DISCARDED = 16 * 1024 * 1024  # of a body that nobody wanted; whoever sends more is cut off
HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r?\n")
CHUNK = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n")
ONLY_ONCE = ("content-length", "transfer-encoding", "host", "content-type", "authorization")
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NotReadable(ValueError):
    """The bytes are no request, or one that another server might read as another."""


@dataclass(frozen=True)
class Limits:
    """``proxies``: networks whose word on the client's address counts. The others count connections."""

    proxies: tuple[str, ...] = ()
    connections: int = 2_000
    connections_per_address: int = 200

    @classmethod
    def of(cls, chosen: Settings) -> Limits:
        return cls(chosen.proxies, chosen.connections, chosen.connections_per_address)


class Clients:
    """Who is connected, and on whose word."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.networks: Sequence[Network] = [ipaddress.ip_network(each, strict=False) for each in limits.proxies]
        self.connected: Counter[str] = Counter()
        self.waiting: dict[str, dict[Any, None]] = {}  # the sockets that have no whole request, the oldest first
        self.is_proxy = functools.lru_cache(maxsize=10_000)(self._is_proxy)

    def enter(self, address: str) -> int:
        """Count a connection. The status that it is refused with, or 0.

        Whoever comes takes the place of the oldest one that waits for a request, so that slow heads keep nobody out.
        """
        whole = self.connected.total() >= self.limits.connections
        self.connected[address] += 1
        if whole and not self._drop(self.connected.most_common(1)[0][0]):
            return 503
        many = self.connected[address] > self.limits.connections_per_address and not self.is_proxy(address)
        return 429 * (many and not self._drop(address))

    def wait(self, address: str, socket: Any) -> None:
        self.waiting.setdefault(address, {})[socket] = None

    def begin(self, address: str, socket: Any) -> None:
        """Its request is there: it is dropped no more."""
        self.waiting.get(address, {}).pop(socket, None)
        if not self.waiting.get(address):
            self.waiting.pop(address, None)

    def _drop(self, address: str) -> bool:
        socket = next(iter(self.waiting.get(address, {})), None)
        if socket is None:
            return False
        self.begin(address, socket)
        greenio.shutdown_safe(socket)
        return True

    def leave(self, address: str) -> None:
        self.connected[address] -= 1
        if not self.connected[address]:
            del self.connected[address]

    def believe(self, environ: dict[str, Any]) -> None:
        """Take the client's address and scheme from a named proxy, and from nobody else."""
        said = {name: environ.pop(name, "") for name in FORWARDED}
        if not self.is_proxy(environ.get("REMOTE_ADDR", "")):
            return
        hops = [each.strip() for each in said["HTTP_X_FORWARDED_FOR"].split(",") if each.strip()]
        environ["REMOTE_ADDR"] = self._client(hops) or environ["REMOTE_ADDR"]
        scheme = said["HTTP_X_FORWARDED_PROTO"].rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme

    def _client(self, hops: list[str]) -> str:
        """The last hop that is no proxy of ours; what stands before it may be invented."""
        for hop in reversed(hops):
            if not self.is_proxy(hop):
                return hop if _address(hop) else ""
        return hops[0] if hops else ""

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in each for each in self.networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def household(text: str) -> str:
    """Whom an address stands for when things are counted: an IPv6 user has 2⁶⁴ of them (RFC 6177)."""
    address = _address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or text)[:100]


class Door:
    """The listening socket: a process that is out of files goes on accepting later, where eventlet would end."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def accept(self) -> Any:
        while True:
            try:
                return self._socket.accept()
            except OSError as wrong:
                if wrong.errno == errno.EBADF:
                    raise
                eventlet.sleep(0.1 if wrong.errno in OUT_OF_FILES else 0)


class Patient(io.RawIOBase):
    """What a connection sends, until its deadline."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.deadline, self.pace, self.reads = socket, 0.0, 0, 0

    def readable(self) -> bool:
        return True

    def allow(self, seconds: float, pace: int = 0) -> None:
        """So long from now on; with a pace, longer by what was sent at it."""
        self.deadline, self.pace = time.monotonic() + seconds, pace

    def readinto(self, buffer: Any) -> int:
        self.reads += 1
        if self.reads % TURN == 0:
            eventlet.sleep(0)
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The client takes too long.")
        self.socket.settimeout(left)
        try:
            count: int = self.socket.recv_into(buffer)
        finally:
            self.socket.settimeout(SEND_S)
        if self.pace:
            self.deadline += count / self.pace
        return count


class Chunks(io.RawIOBase):
    """A body in chunks (RFC 9112, section 7.1). Raises NotReadable where a chunk is not as it should be."""

    def __init__(self, source: io.BufferedReader) -> None:
        self.source, self.left, self.ended, self.count, self.size = source, 0, False, 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        if not self.left and not self._next():
            return 0
        count = self.source.readinto1(memoryview(buffer)[: self.left])
        if not count:
            raise NotReadable("The body breaks off.")
        self.left -= count
        if not self.left and self.source.read(2) != b"\r\n":
            raise NotReadable("A chunk is longer than it says.")
        return count

    def _next(self) -> int:
        match = CHUNK.fullmatch(self.source.readline(LONGEST_CHUNK_LINE))
        if not match:
            raise NotReadable("A chunk has no size.")
        self.left = int(match[1], 16)
        self.count, self.size = self.count + 1, self.size + self.left
        if self.left and self.count > FREE_CHUNKS + self.size // SMALLEST_CHUNK:
            raise NotReadable("The chunks are too small.")
        if not self.left:
            self._end()
        return self.left

    def _end(self) -> None:
        """Trailers are read over, and nobody is told of them."""
        room = LONGEST_TRAILERS
        while (line := self.source.readline(room)) != b"\r\n":
            room -= len(line)
            if room <= 0 or not HEADER.fullmatch(line):
                raise NotReadable("The trailers cannot be read.")
        self.ended = True


class Body(eventlet.wsgi.Input):  # type: ignore[misc]
    """eventlet's, with chunks that are bounded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chunks = io.BufferedReader(Chunks(self.rfile)) if self.chunked_input else None

    def _chunked_read(self, rfile: Any, length: int | None = None, use_readline: bool = False) -> bytes:
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        assert self.chunks
        return self.chunks.readline(length) if use_readline else self.chunks.read(length)

    def discard(self, buffer_size: int = 65_536) -> None:
        """Read what nobody wanted, so that the connection can go on. Raises OSError where that is too much."""
        for _ in range(DISCARDED // buffer_size):
            try:
                if not self.read(buffer_size):
                    return
            except ValueError as wrong:
                raise OSError(str(wrong)) from wrong
        raise OSError("The rest of the body is too long.")


class Lines:
    """The lines of a request's head, kept for a second look."""

    def __init__(self, source: Any) -> None:
        self.source, self.lines = source, list[bytes]()

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self.source.readline(size)
        self.lines.append(line)
        return line


class Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """One connection. An answer may end it: eventlet would first read what is left of the body, gigabytes maybe."""

    def __init__(self, conn_state: Any, server: Any) -> None:
        self.clients: Clients = server.app.clients
        self.household = household(conn_state[0][0])
        try:
            if status := self.clients.enter(self.household):
                turn_away(conn_state[1], status)
            else:
                super().__init__(conn_state, server)
        finally:
            self.clients.begin(self.household, conn_state[1])
            self.clients.leave(self.household)

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.patient = Patient(self.connection)
        self.rfile: Any = io.BufferedReader(self.patient)

    def _read_request_line(self) -> bytes:
        self.clients.wait(self.household, self.connection)
        try:
            self.patient.allow(IDLE_S)
            if not self.rfile.peek(1):
                return b""
            self.patient.allow(HEAD_S)
            return bytes(self.rfile.readline(self.server.url_length_limit))
        except (OSError, ValueError):
            return b""

    def parse_request(self) -> bool:
        head = self.rfile = Lines(self.rfile)
        try:
            if not super().parse_request():
                return False
            self._check_head(head.lines)
        except NotReadable as wrong:
            self.send_error(400, str(wrong))
            return False
        except TimeoutError:
            self.send_error(408)
            return False
        self.clients.begin(self.household, self.connection)
        self.patient.allow(BODY_S, LEAST_PACE)
        return True

    def _check_head(self, lines: Iterable[bytes]) -> None:
        if self.request_version not in ("HTTP/1.0", "HTTP/1.1"):
            raise NotReadable("It speaks HTTP/1.0 and 1.1.")
        if not all(HEADER.fullmatch(line) or line in (b"\r\n", b"\n") for line in lines):
            raise NotReadable("A header line cannot be read.")
        named = Counter(name.lower() for name in self.headers)
        if twice := [name for name in ONLY_ONCE if named[name] > 1]:
            raise NotReadable(f"{twice[0]} is given twice.")
        if "host" not in named and self.request_version == "HTTP/1.1":
            raise NotReadable("Host is missing.")
        self._check_framing()

    def _check_framing(self) -> None:
        coding, length = self.headers.get("Transfer-Encoding"), self.headers.get("Content-Length")
        if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
            raise NotReadable("Content-Length is no number.")
        if coding is not None and (coding.lower() != "chunked" or length or self.request_version == "HTTP/1.0"):
            raise NotReadable("The only Transfer-Encoding is chunked, without a Content-Length.")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A problem document, where the standard library sends a page; then the connection ends."""
        self.close_connection = True
        self.wfile.write(_refusal(code, message or explain or self.responses[code][0]))
        self.wfile.flush()

    def get_environ(self) -> Any:
        environ = super().get_environ() | {HANG_UP: lambda: setattr(self, "close_connection", 1)}
        read = environ["wsgi.input"]
        body = Body(
            self.rfile, read.content_length, self.connection, wfile=read.wfile, wfile_line=read.wfile_line,
            chunked_input=read.chunked_input,
        )  # fmt: skip
        return environ | {"wsgi.input": body, "eventlet.input": body}


def turn_away(socket: Any, status: int) -> None:
    """Say so, as far as the client listens, and hang up."""
    socket.settimeout(1)
    with contextlib.suppress(OSError):
        socket.sendall(_refusal(status, "Too many connections. Try again in a moment."))
    socket.close()


def _refusal(status: int, detail: str) -> bytes:
    phrase = eventlet.wsgi.HttpProtocol.responses[status][0]
    document = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    body = to_json(document)
    retry = "Retry-After: 1\r\n" if status in (429, 503) else ""
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\n{retry}"
    return head.encode() + b"Connection: close\r\n\r\n" + body
