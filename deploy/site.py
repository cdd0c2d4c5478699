"""The process's web server, and how refusals become problem documents (RFC 9457)."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import eventlet
import eventlet.wsgi
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from deploy.connections import HANG_UP, IDLE_S, SEND_S, Clients, Door, Limits, Protocol
from shared import db, errors, files, logs
from shared.errors import Invalid, Malformed, NotFound, Refused
from shared.web import PROBLEM, Route, status_of, to_json

TURNED_AWAY = 100  # connections beyond the limit that are told so at the same time
log = logs.get(__name__)


class Site:
    """The process's WSGI application and server; the routes of every service that runs in it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clients = Clients(limits or Limits())
        self.map = Map()
        self.closing = False
        self._server: Any = None

    def add(self, route: Route) -> None:
        self.map.add(Rule(route.declared.path, endpoint=route.respond, methods=[route.declared.method]))

    def mount(self, path: str, page: Callable[..., Response]) -> None:
        """Serve a GET that is no service's: health, metrics, documents."""
        self.map.add(Rule(path, endpoint=lambda request, values: page(**values), methods=["GET"]))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.clients.believe(environ)
        request = Request(environ)
        request_id = re.sub(r"[^\w.:-]", "", request.headers.get("X-Request-ID", ""))[:64] or uuid4().hex
        with logs.bound(request_id=request_id):
            response = self._respond(request)
        if response.status_code == 413 and HANG_UP in environ:
            environ[HANG_UP]()
        response.headers["X-Request-ID"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        began = time.perf_counter()
        try:
            if "\0" in request.path:  # PostgreSQL takes no text that holds one
                raise NotFound("There is nothing at such an address.")
            respond, values = self.map.bind_to_environ(request.environ).match()
            response: Response = respond(request, values)
        except ValidationError as wrong:
            response = _problem(request, Invalid("See errors for each field."), list(_flat(wrong.messages)))
        except Refused as refused:
            response = _problem(request, refused)
        except WrongMethod as wrong:
            allowed = ", ".join(self._allowed(request, list(wrong.valid_methods or ())))
            response = _problem(request, errors.MethodNotAllowed(f"It takes {allowed}."))
            response.headers["Allow"] = allowed
        except RequestRedirect as moved:
            response = _elsewhere(moved)
        except HTTPException as wrong:
            response = _problem(request, NotFound(f"There is nothing at {request.path}.") if wrong.code == 404 else
                                Malformed(wrong.description or ""))  # fmt: skip
        except Exception as wrong:
            response = _failed(request, wrong)
        _log(request, response, time.perf_counter() - began)
        return response

    def _allowed(self, request: Request, methods: list[str]) -> list[str]:
        """Without those that would read a word of ours as somebody's code: PATCH /facilities/<code>, for one."""
        address = self.map.bind_to_environ(request.environ)
        rules = {each: address.match(method=each, return_rule=True)[0] for each in methods}
        return [each for each, rule in rules.items() if not rule.arguments] or methods

    def open(self, socket: Any) -> None:
        """Serve on a listening socket, whose backlog kept who came before."""
        self._server = eventlet.spawn(
            eventlet.wsgi.server, Door(socket), self, log_output=False, debug=False, protocol=Protocol,
            socket_timeout=SEND_S, keepalive=IDLE_S, url_length_limit=16_384,
            custom_pool=eventlet.GreenPool(self.clients.limits.connections + TURNED_AWAY),
        )  # fmt: skip

    def close(self) -> None:
        """Take no more connections, and wait until the requests in hand are answered."""
        self.closing = True
        if self._server:
            self._server.kill()
            with contextlib.suppress(eventlet.greenlet.GreenletExit):
                self._server.wait()


def _log(request: Request, response: Response, seconds: float) -> None:
    level = "error" if response.status_code >= 500 else "info" if response.status_code >= 400 else "debug"
    getattr(log, level)(
        "request", method=request.method, path=request.path, status=response.status_code, ms=round(seconds * 1000, 1)
    )


def _flat(messages: Any, at: str = "") -> Iterator[dict[str, str]]:
    """marshmallow's nested messages as a list of {"field", "detail"}."""
    if isinstance(messages, dict):
        for key, value in messages.items():
            yield from _flat(value, at if key == "_schema" else f"{at}.{key}" if at else str(key))
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield {"field": at or "body", "detail": str(message)}


def _elsewhere(moved: RequestRedirect) -> Response:
    """To an address with its last slash, or without doubled ones; on this host, whatever the request called it."""
    address = urlsplit(moved.new_url)
    path = "/" + address.path.lstrip("/")
    return Response(status=moved.code, headers={"Location": urlunsplit(("", "", path, address.query, ""))})


def _problem(request: Request, refused: Refused, fields: list[dict[str, str]] | None = None) -> Response:
    """An RFC 9457 document; the title in the language that the client reads."""
    status = status_of(type(refused))
    chinese = (request.accept_languages.best_match(["en", "zh"], "en") or "en").startswith("zh")
    document: dict[str, Any] = {
        "type": f"urn:waywarden:problem:{refused.slug}",
        "title": refused.zh if chinese else refused.title(),
        "status": status,
        "detail": refused.detail,
    }
    if fields or refused.field:
        document["errors"] = fields or [{"field": refused.field, "detail": refused.detail}]
    response = Response(to_json(document), status, content_type=PROBLEM)
    response.headers["Content-Language"] = "zh" if chinese else "en"
    if refused.retry_after_s:
        response.headers["Retry-After"] = str(refused.retry_after_s)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="waywarden"'
    if status == 413:
        response.headers["Connection"] = "close"  # the rest of the body is not read
    return response


def _failed(request: Request, wrong: Exception) -> Response:
    if files.full(wrong) or db.full(wrong):
        log.error("disk full", path=request.path, error=str(wrong))
        return _problem(request, files.no_room())
    if db.failing(wrong):
        log.error("database", path=request.path, error=str(wrong))
        return _problem(request, errors.Unavailable("The database does not answer in time.", retry_after_s=1))
    log.exception("unexpected", method=request.method, path=request.path)
    return _unexpected(request)


def _unexpected(request: Request) -> Response:
    document = {
        "type": "urn:waywarden:problem:unexpected",
        "title": "Something went wrong.",
        "status": 500,
        "detail": f"It is logged under {logs.request_id()}.",
    }
    return Response(to_json(document), 500, content_type=PROBLEM)
