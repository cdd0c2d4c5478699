"""A client of the API, as apps, devices and scripts are: over HTTP, one user each, patient with restarts.

It needs the standard library and the kernel only, so that ``make demo`` runs where the system runs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from deploy.servers import Kept
from deploy.stack import Embedded, Stack
from shared.auth import Keys, User
from shared.events.queues import SERVICES

API = "/api/v1"
JSON = "application/json"
WORKING_DAY = timedelta(hours=12)
PASSING = (502, 503, 504)  # a proxy or a service that is just starting
Thing = dict[str, Any]
T = TypeVar("T")


class Unexpected(AssertionError):
    """The API answered something else than the caller counted on."""


class NotKnown(Unexpected):
    """The system does not know the key that a token was signed with."""


class NotAnswered(Exception):
    """Nobody answered in time."""


@dataclass(frozen=True)
class Answer:
    """What came back; header names in any case. ``call`` says what it answers, for messages."""

    status: int
    headers: Message
    content: bytes
    call: str = ""

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.call} -> {self.status} {self.content[:500].decode(errors='replace')}"


Heard = Callable[[str, str, Any, Answer], None]


def wait_for(look: Callable[[], T | None], what: object, timeout_s: float = 60) -> T:
    """Look again and again until there is something. Raises AssertionError with ``what``, called if it can be."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return found


@dataclass
class System:
    """A running system, embedded or not. ``service_urls`` are where each service shows its own /metrics and /health.

    ``heard`` is called with (method, path, body, answer) for every answer that a client got.
    """

    name: str
    base_url: str
    keys: Path
    service_urls: Mapping[str, str]
    patience_s: float = 20
    heard: Heard | None = None
    clients: list[Client] = field(default_factory=list)

    @classmethod
    def of(cls, running: Embedded | Stack) -> System:
        urls = {service: running.service_url(service) for service in SERVICES}
        return cls(type(running).__name__.lower(), running.base_url, running.keys, urls)

    @classmethod
    def at(cls, port: int, data: Path) -> System:
        """The embedded system that runs on this port with this data folder."""
        url = f"http://127.0.0.1:{port}"
        return cls("embedded", url, data / "keys", dict.fromkeys(SERVICES, url))

    @classmethod
    def in_folder(cls, folder: Path, port: int) -> System:
        """The stack that runs in this folder, its proxy on this port."""
        kept = Kept(folder / "stack.json")
        urls = {service: f"http://127.0.0.1:{kept.port(f'{service} 0')}" for service in SERVICES}
        return cls("stack", f"http://127.0.0.1:{port}", folder / "keys", urls)

    @cached_property
    def signing(self) -> Keys:
        return Keys(self.keys)

    def user(self, role: str, name: str = "", *, crew: str | None = None, unit: str | None = None) -> Client:
        """A client with a token for a working day, signed as ``make token`` does."""
        token = self.signing.sign(User(name or role, role, crew, unit), WORKING_DAY)
        return self.client(token)

    def client(self, token: str | None = None) -> Client:
        made = Client(self, token)
        self.clients.append(made)
        return made

    def nobody(self) -> Client:
        """A client without a token."""
        return self.client()

    def figures(self, service: str) -> Figures:
        """What the service's /metrics shows now."""
        with Client(self, None, base_url=self.service_urls[service]) as client:
            return Figures(client.send("GET", "/metrics").content.decode())

    def figure(self, service: str, name: str, /, **labels: str) -> float | None:
        return self.figures(service).get(name, **labels)

    def count(self, service: str, name: str, /, **labels: str) -> float:
        """A figure that is 0 where nothing was counted yet."""
        return self.figure(service, name, **labels) or 0.0

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()


class Figures:
    """Samples of one exposition."""

    def __init__(self, text: str) -> None:
        self.samples = [each for family in text_string_to_metric_families(text) for each in family.samples]

    def get(self, name: str, /, **labels: str) -> float | None:
        """The sum of the samples that carry these labels, among others; None where there is none."""
        found = [
            each.value for each in self.samples if each.name == name and labels.items() <= dict(each.labels).items()
        ]
        return sum(found) if found else None


class Client:
    """Calls the API as one user, over one kept connection; for one thread.

    A call that nobody answered is sent again, for as long as the system's patience lasts: every POST carries an ``id``
    or an Idempotency-Key, so that it takes effect once.
    """

    def __init__(self, system: System, token: str | None, *, base_url: str | None = None) -> None:
        self.system = system
        self.token = token
        self.address = urlsplit(base_url or system.base_url).netloc
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    # what a story calls: JSON in, JSON out, anything but 2xx is an error

    def get(self, path: str, **query: object) -> Any:
        return self._good("GET", path, query=query)

    def post(self, path: str, body: Thing | None = None, **headers: str) -> Any:
        return self._good("POST", path, body or {}, headers=headers)

    def put(self, path: str, body: Thing, **headers: str) -> Any:
        return self._good("PUT", path, body, headers=headers)

    def patch(self, path: str, body: Thing, **headers: str) -> Any:
        return self._good("PATCH", path, body, headers=headers)

    def delete(self, path: str) -> None:
        self._good("DELETE", path)

    def items(self, path: str, **query: object) -> Iterator[Thing]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _good(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.send(method, API + path, body, **more)
        if not answer.good:
            raise (NotKnown if answer.status == 401 else Unexpected)(str(answer))
        return answer.json() if answer.content else None

    # what tests of refusals call: whatever comes back

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send JSON ``body`` or raw ``content`` to a whole path, and give the answer whatever it is.

        Raises NotAnswered.
        """
        given = {key: value for key, value in (query or {}).items() if value is not None}
        target = quote(path, safe="/%:@,") + (f"?{urlencode(given)}" if given else "")
        carried = self._headers(method, body, content, headers or {})
        data = json.dumps(body).encode() if body is not None else content
        answer = self._patiently(method, target, data, carried)
        if self.system.heard:
            self.system.heard(method, target, body, answer)
        return answer

    def _headers(self, method: str, body: Any, content: bytes | None, given: Mapping[str, str]) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None or content is not None:
            headers["Content-Type"] = JSON
        if method == "POST" and "id" not in (body if isinstance(body, dict) else {}):
            headers["Idempotency-Key"] = str(uuid4())
        return headers | {name.replace("_", "-"): value for name, value in given.items()}

    def _patiently(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        deadline, pause = time.monotonic() + self.system.patience_s, 0.02
        while True:
            try:
                answer = self._once(method, target, data, headers)
                if answer.status not in PASSING or time.monotonic() > deadline:
                    return answer
            except (OSError, HTTPException) as wrong:
                self.close()
                if time.monotonic() > deadline:
                    raise NotAnswered(f"{method} {target}: {wrong!r}") from wrong
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _once(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = HTTPConnection(self.address, timeout=30)
        try:
            self._connection.request(method, target, data, headers)
        except (BrokenPipeError, ConnectionResetError):
            if self._connection.sock is None:
                raise  # else: refused before all of a long body was read, and there may be an answer why
        with self._connection.getresponse() as response:
            return Answer(response.status, response.headers, response.read(), f"{method} {target}")

    def stream(self, path: str, *, last_event_id: str | None = None) -> Stream:
        """Listen to server-sent events; to be used in a ``with``."""
        more = {"Last-Event-ID": last_event_id} if last_event_id else {}
        return Stream(self.address, API + path, {"Authorization": f"Bearer {self.token}", **more})


@dataclass(frozen=True)
class Told:
    """One server-sent event. ``at`` is when it came, by the monotonic clock."""

    id: str
    event: str
    data: Any
    at: float


class Stream:
    """Server-sent events, read on a thread of their own."""

    def __init__(self, address: str, target: str, headers: Mapping[str, str]) -> None:
        self._connection = HTTPConnection(address, timeout=60)
        self._target, self._headers = target, dict(headers)
        self._events: Queue[Told | None] = Queue()  # None at the end

    def __enter__(self) -> Self:
        self._connection.request("GET", self._target, headers=self._headers)
        self._socket = self._connection.sock  # the connection lets go of it where the server will close
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            content = self._response.read()
            self._connection.close()
            raise Unexpected(f"GET {self._target} -> {self._response.status} {content!r}")
        self._thread = threading.Thread(target=self._read, args=(self._response,), daemon=True)
        self._thread.start()
        return self

    def cut(self) -> None:
        """End the connection, whoever reads it."""
        with suppress(OSError):
            self._socket.shutdown(2)

    def __exit__(self, *failure: object) -> None:
        self.cut()
        self._thread.join(5)
        self._response.close()
        self._connection.close()

    @property
    def has_ended(self) -> bool:
        """Whether the server has said its last."""
        return not self._thread.is_alive()

    def wait_for(self, fits: Callable[[Any], bool], timeout_s: float = 60) -> Told:
        """The next event whose data fits. Raises AssertionError when none comes."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=max(0.001, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"No such event within {timeout_s} s on {self._target}.") from None
            if event is None:
                raise AssertionError(f"{self._target} ended.")
            if fits(event.data):
                return event

    def read(self) -> Iterator[Told]:
        """Every event, until the connection ends."""
        while event := self._events.get():
            yield event

    def _read(self, response: HTTPResponse) -> None:
        self._read_events(response)
        self._events.put(None)

    def _read_events(self, response: HTTPResponse) -> None:
        fields: dict[str, str] = {}
        with suppress(OSError, HTTPException, ValueError):
            while line := response.readline():
                text = line.decode().rstrip("\r\n")
                if text:
                    name, _, value = text.partition(":")
                    fields[name] = fields.get(name, "") + value.removeprefix(" ")
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    self._events.put(Told(fields.get("id", ""), fields.get("event", ""), data, time.monotonic()))
                    fields = {}
