"""A cheap client: raw sockets, kept open, in threads, so that what is measured is not the client."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Thing = dict[str, Any]


class Refused(Exception):
    """An answer that is no 2xx."""


class Caller:
    """One user's kept connection to the proxy; for one thread."""

    def __init__(self, base_url: str, token: str) -> None:
        address = urlsplit(base_url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"

    def get(self, path: str) -> Thing:
        return self.call("GET", path)

    def post(self, path: str, body: Thing, **headers: str) -> Thing:
        more = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.call("POST", path, json.dumps(body).encode(), more)

    def call(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Thing:
        """The JSON that came back. Raises Refused."""
        more = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
        head = f"{method} /api/v1{path} HTTP/1.1\r\n{self._head}{more}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        status, answer = self._answer()
        if not 200 <= status < 300:
            raise Refused(f"{method} {path}: {status} {answer[:500]!r}")
        return json.loads(answer) if answer else {}

    def _answer(self) -> tuple[int, bytes]:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._some()
        head, body = data[:end].lower(), data[end + 4 :]
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._some()
        return int(head[9:12]), body

    def _some(self) -> bytes:
        if some := self._socket.recv(65_536):
            return some
        raise ConnectionError("The proxy closed the connection.")

    def close(self) -> None:
        self._socket.close()


def together(jobs: Sequence[Callable[[], None]]) -> float:
    """Run the jobs at the same time, each in a thread; the seconds until the last ended. Raises what one raised."""
    failures: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - began
