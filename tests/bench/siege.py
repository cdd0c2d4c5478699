"""Signing in while one user or address sends what would keep others waiting. Embedded: nothing is in front."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha256
from http.client import HTTPConnection
from io import BytesIO
from uuid import uuid4

from PIL import Image

from deploy.servers import Servers
from deploy.stack import Embedded
from tests.bench.table import Line, ms, percentile
from tests.client import API, System

GOAL_S = 1.0
MOST_HELD = 35  # connections of one attacker: its address has 200, and we sign in from it too
SECRET = "lantern over the quiet bridge"
Attack = Callable[["Siege"], None]


class Siege:
    """The system under attack, and tokens for it."""

    def __init__(self, system: System, port: int) -> None:
        self.system, self.port, self.stopped = system, port, threading.Event()

    def send(self, method: str, path: str, body: bytes = b"", role: str = "", media: str = "application/json") -> int:
        """The status; 0 when the server hung up."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        token = self.system.user(role, f"hostile-{role}", crew="crew-northwest").token if role else ""
        headers = {"Content-Type": media} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, API + path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except OSError:
            return 0
        finally:
            connection.close()

    def keep_sending(self, method: str, path: str, body: bytes, role: str, media: str) -> None:
        while not self.stopped.is_set():
            self.send(method, path, body, role, media)

    def keep_connecting(self, sent: bytes, then: bytes) -> None:
        """Hold as many connections as one gets, and trickle into each."""
        with ExitStack() as held:
            sockets = []
            for _ in range(MOST_HELD):
                with suppress(OSError):
                    each = held.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=5))
                    each.sendall(sent)
                    sockets.append(each)
            while not self.stopped.wait(0.5):
                for each in sockets:
                    with suppress(OSError):
                        each.sendall(then)


def measure(servers: Servers, quick: bool) -> Iterator[Line]:
    """The seconds that a sign-in takes at each attack, and without one."""
    seconds = 1.0 if quick else 5.0
    running = Embedded(servers.folder / "siege", environment={"WAYWARDEN_LOG_LEVEL": "error"})
    with running:
        siege = Siege(System.of(running), running.port)
        member = {"name": "owner", "role": "operator", "password": SECRET}
        status = siege.send("POST", "/members", json.dumps(member).encode(), "admin")
        assert status == 201, status
        for name, threads, attack in ATTACKS:
            with under(siege, threads, attack):
                took = list(sign_ins(siege, seconds))
            yield Line(f"10 sign-in, {name}", ms(took), goal="p99 <= 1 s", met=percentile(took, 99) <= GOAL_S)


@contextmanager
def under(siege: Siege, threads: int, attack: Attack) -> Iterator[None]:
    siege.stopped.clear()
    attackers = [threading.Thread(target=attack, args=(siege,), daemon=True) for _ in range(threads)]
    for each in attackers:
        each.start()
    time.sleep(0.5)
    yield
    siege.stopped.set()
    for each in attackers:
        each.join(60)


def sign_ins(siege: Siege, seconds: float) -> Iterator[float]:
    body = json.dumps({"grant_type": "password", "username": "owner", "password": SECRET}).encode()
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        status = siege.send("POST", "/auth/token", body)
        yield time.perf_counter() - began if status == 200 else 60.0


def picture(size: tuple[int, int], scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    out = BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, "JPEG", quality=20, progressive=True)
    content = out.getvalue()
    last = content.rindex(b"\xff\xda")
    scan = content[last : content.rindex(b"\xff\xd9")]
    return content[:last] + scan * max(1, scans - content.count(b"\xff\xda") + 1) + b"\xff\xd9"


def send_picture(size: tuple[int, int], scans: int, siege: Siege) -> None:
    content = picture(size, scans)
    while not siege.stopped.is_set():
        siege.send("PUT", f"/photos/{sha256(content).hexdigest()}", content, "crew", "image/jpeg")


def sending(method: str, path: str, role: str, body: bytes = b"", media: str = "application/json") -> Attack:
    return lambda siege: siege.keep_sending(method, path, body, role, media)


def importing(path: str, name: str, content: bytes, **options: object) -> Attack:
    """Send a file over and over."""
    body = b"".join(
        [
            f'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{json.dumps(options)}\r\n'.encode(),
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode(),
            content,
            b"\r\n--b--\r\n",
        ]
    )
    return sending("POST", path, "operator", body, "multipart/form-data; boundary=b")


def trickling(sent: bytes, then: bytes) -> Attack:
    return lambda siege: siege.keep_connecting(sent, then)


def guessing(siege: Siege) -> None:
    while not siege.stopped.is_set():
        body = {"grant_type": "password", "username": f"x{uuid4().hex}", "password": "wrong"}
        siege.send("POST", "/auth/token", json.dumps(body).encode())


HEAD = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
READINGS = b'{"readings":[' + b"{}," * 300_000 + b"{}]}"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CELLS = b"code,name,lon,lat,height\n" + b"".join(
    b"c%d,%s,24.9,60.1,%s\n" % (number, b"1 " * 16_000 + b"x", b"1,1" * 10_000 + b"x") for number in range(10)
)
LEVEL = b'{"type":"GeometryCollection","geometries":['
NESTED = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":' + LEVEL * 9_000
ATTACKS: list[tuple[str, int, Attack]] = [
    ("nothing else", 0, lambda siege: None),
    ("4 JPEGs of 120 scans", 4, partial(send_picture, (3_000, 2_000), 120)),
    ("4 JPEGs as costly as are taken", 4, partial(send_picture, (4_000, 3_000), 20)),
    ("6 sheets of labels by a citizen", 6, sending("GET", "/facilities/labels.pdf?limit=1000", "citizen")),
    ("300,000 empty readings", 4, sending("POST", "/readings", "device", READINGS)),
    ("400 KB of brackets", 4, sending("POST", "/findings", "inspector", b"[" * 400_000)),
    ("chunks of one byte", 4, trickling(CHUNKED + b"1\r\n \r\n" * 900, b"1\r\n \r\n")),
    ("an endless chunk line", 4, trickling(CHUNKED + b"1;" + b"a" * 200, b"a" * 50_000)),
    ("slow heads from 140 connections", 4, trickling(HEAD, b"X-A: b\r\n")),
    ("rates of a past day", 6, sending("GET", "/rates?date=2025-06-01&by=district", "manager")),
    ("exports", 6, sending("GET", "/facilities/export?format=xlsx", "citizen")),
    ("wide searches", 16, sending("GET", "/facilities?limit=1000&q=a", "citizen")),
    ("short searches", 16, sending("GET", "/facilities?q=a", "citizen")),
    ("cells of 32 KB", 4, importing("/facilities/imports", "a.csv", CELLS, kind="street_light", dry_run=True)),
    ("areas' files of 400 KB, nested", 4, importing("/districts/imports", "a.geojson", NESTED)),
    ("guesses at other names", 4, guessing),
]  # fmt: skip
