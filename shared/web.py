"""HTTP: one web server per process, and one entrypoint that all services use.

A route declares who may call it, what it reads and what it answers. From that declaration come the permission check,
strict validation, the transaction, idempotency, entity tags, problem documents and the OpenAPI document.
"""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import eventlet
import eventlet.wsgi
import msgspec
from marshmallow import Schema, ValidationError
from nameko.extensions import Entrypoint
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from shared import errors, logs, workers
from shared.auth import COOKIE, PUBLIC, Keys, User, allow
from shared.errors import Conflict, Invalid, Malformed, NotFound, Refused
from shared.paging import Page
from shared.requests import Answer, Once, keep, kept, once

API = "/api/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"
STREAM = "text/event-stream"
NOBODY = User("", "public")

STATUS: dict[type[Refused], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}


def status_of(refusal: type[Refused]) -> int:
    """The HTTP status of a refusal, or of the kind that it is a subclass of."""
    return next(STATUS[kind] for kind in refusal.__mro__ if kind in STATUS)


log = logs.get(__name__)
to_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a route says of itself; see ``http``."""

    method: str
    path: str
    roles: tuple[str, ...]
    summary: str
    name: str
    body: Schema | None = None
    query: Schema | None = None
    answer: Schema | None = None
    paged: bool = False
    status: int = 200
    reads: str = JSON
    media: str = JSON
    also_status: int | None = None
    also_media: str | None = None
    natural_key: str | None = None
    transaction: bool = True
    body_limit: int | None = None
    refuses: tuple[type[Refused], ...] = ()

    @property
    def reading(self) -> bool:
        return self.method == "GET"


@dataclass(kw_only=True)
class Call:
    """One request, checked: ``body`` and ``query`` are loaded, ``user`` may do this."""

    request: Request
    user: User
    body: dict[str, Any]
    query: dict[str, Any]
    expected: int | None
    """The revision that the client read (If-Match), or None."""
    command: Once | None
    session: Session = field(init=False)

    def wants(self, media: str) -> bool:
        """Whether the client would rather have this media type than plain JSON."""
        return self.request.accept_mimetypes.best_match([JSON, media], JSON) == media


def http(
    method: str,
    path: str,
    *,
    roles: tuple[str, ...],
    summary: str,
    body: type[Schema] | None = None,
    query: type[Schema] | None = None,
    answer: type[Schema] | None = None,
    paged: bool = False,
    prefix: str = API,
    **more: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a method ``(self, call, **path variables)`` answer a route, for these roles or PUBLIC.

    What it returns is dumped by ``answer`` (a ``Page`` item by item, where ``paged``); it may also return
    ``(status, thing)`` or a werkzeug Response. A GET gets a read transaction in ``call.session``, any other method a
    write transaction that commits before the answer leaves, unless ``transaction=False``. A POST that carries an
    ``id``, its ``natural_key`` or an Idempotency-Key takes effect once. ``more``: see ``Declared``.
    """
    if not roles:
        raise TypeError(f"{method} {path} names no role; say PUBLIC if everybody may.")

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        made: dict[str, Any] = {
            key: schema() for key, schema in (("body", body), ("query", query), ("answer", answer)) if schema
        }
        declared = Declared(
            method=method, path=prefix + path, roles=roles, summary=summary, name=run.__name__, paged=paged,
            **made, **more,
        )  # fmt: skip

        @functools.wraps(run)
        def answer_call(service: Any, call: Call, **path: Any) -> Answer | Response | Refused:
            try:
                return _carry_out(declared, functools.partial(run, service), service, call, path)
            except Refused as refused:
                return refused

        answer_call.declared = declared  # type: ignore[attr-defined]
        return Route.decorator(declared)(answer_call)  # type: ignore[no-any-return]

    return decorate


def _carry_out(
    declared: Declared, run: Callable[..., Any], service: Any, call: Call, path: Mapping[str, Any]
) -> Answer | Response:
    if not declared.transaction:
        return _render(declared, run(call, **path))
    if declared.reading:
        with service.db.read() as call.session:
            return _render(declared, run(call, **path))
    try:
        with service.db.begin() as call.session:
            answer = _render(declared, run(call, **path))
            if call.command and isinstance(answer, Answer):
                keep(call.session, call.command, answer)
        return answer
    except (Refused, IntegrityError) as refused:
        return _first_answer(service, call.command, refused)


def _first_answer(service: Any, command: Once | None, refused: Exception) -> Answer:
    """What the same command got before, if that is why it was refused now."""
    if command:
        with service.db.read() as session:
            if answer := kept(session, command):
                return answer
    if isinstance(refused, IntegrityError) and "unique" in str(refused.orig).lower():
        raise Conflict("There is one like this already.") from refused
    raise refused


def _render(declared: Declared, result: Any) -> Answer | Response:
    if isinstance(result, Response):
        return result
    status, thing = result if isinstance(result, tuple) else (declared.status, result)
    if declared.answer is None:
        return Answer(status, to_json(thing) if thing is not None else b"")
    if declared.paged:
        page = thing if isinstance(thing, Page) else Page(thing)
        return Answer(status, to_json({"items": declared.answer.dump(page.items, many=True), "next": page.next}))
    data = declared.answer.dump(thing)
    headers = {"ETag": f'"{data["revision"]}"'} if "revision" in data else {}
    return Answer(status, to_json(data), headers)


class Route(Entrypoint):  # type: ignore[misc]
    """A nameko entrypoint that the process's site calls for the requests that match it."""

    def __init__(self, declared: Declared, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.declared = declared

    def setup(self) -> None:
        config = self.container.config
        self.keys: Keys = config["keys"]
        self.limit = self.declared.body_limit or config["settings"].body_limit_bytes
        config["site"].add(self)

    def respond(self, request: Request, path: Mapping[str, Any]) -> Response:
        """Check the request, run the method in a worker, and make its response. Raises Refused."""
        result = workers.run(self, (self._check(request),), dict(path))
        if isinstance(result, Refused):
            raise result
        if isinstance(result, Answer):
            return Response(result.body, result.status, result.headers, content_type=self.declared.media)
        return result  # type: ignore[no-any-return]

    def _check(self, request: Request) -> Call:
        declared = self.declared
        user = self._user(request)
        if declared.roles != PUBLIC:
            allow(user, declared.roles, reading=declared.reading)
        query = _load(declared.query, _arguments(request))
        body = self._body(request) if declared.body else {}
        return Call(
            request=request,
            user=user,
            query=query,
            body=_load(declared.body, body),
            expected=_expected(request),
            command=self._command(request, body, user),
        )

    def _user(self, request: Request) -> User:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token and self.declared.media == STREAM:
            kind, token = "bearer", request.cookies.get(COOKIE, "")
        if kind.lower() == "bearer" and token:
            return self.keys.user(token.strip())
        if self.declared.roles == PUBLIC:
            return NOBODY
        raise errors.Unauthenticated("Send a bearer token; POST /api/v1/auth/token gives one.")

    def _body(self, request: Request) -> Any:
        if request.mimetype not in (JSON, ""):
            raise errors.UnsupportedMedia(f"The body is {request.mimetype}; this reads {JSON}.")
        data = read_body(request, self.limit)
        try:
            return msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
            raise Malformed(f"The body is no JSON: {wrong}") from wrong

    def _command(self, request: Request, body: Any, user: User) -> Once | None:
        declared = self.declared
        if declared.reading or not isinstance(body, dict):
            return None
        if declared.natural_key:
            return once(f"{declared.path} {body[declared.natural_key]}", request.path, body)
        if "id" in body and declared.method == "POST":
            return once(f"{declared.path} {str(body['id']).lower()}", request.path, body, user.name)
        if key := request.headers.get("Idempotency-Key"):
            if len(key) > 200:
                raise Invalid("Idempotency-Key is over 200 characters long.", field="Idempotency-Key")
            return once(f"key {user.name[:90]} {key}", request.method, request.path, body, user.name)
        return None


def read_body(request: Request, limit: int) -> bytes:
    """The whole body, of at most ``limit`` bytes. Raises TooLarge."""
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        request.environ["wsgi.input_terminated"] = True
    request.max_content_length = limit + 1  # a chunked body is cut there without a word
    try:
        data = request.get_data()
    except RequestEntityTooLarge as wrong:
        raise errors.TooLarge(f"The body is over {limit:,} bytes.") from wrong
    if len(data) > limit:
        raise errors.TooLarge(f"The body is over {limit:,} bytes.")
    return data


def _load(schema: Schema | None, data: Any) -> dict[str, Any]:
    return schema.load(data) if schema else {}


def _arguments(request: Request) -> dict[str, str]:
    if twice := [name for name, values in request.args.lists() if len(values) > 1]:
        raise Invalid("Is given twice.", field=twice[0])
    return request.args.to_dict()


def _expected(request: Request) -> int | None:
    wanted = request.headers.get("If-Match", "*").strip()
    if wanted == "*":
        return None
    match = re.fullmatch(r'"(\d{1,18})"', wanted)
    return int(match[1]) if match else -1  # a tag that we never gave out fits no revision


def event_stream(call: Call, events: Iterator[bytes]) -> Response:
    """Server-sent events. The generator runs in the connection's greenlet and holds no worker."""
    call.request.environ["eventlet.minimum_write_chunk_size"] = 0  # else eventlet collects before it sends
    return Response(events, mimetype=STREAM, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


class Site:
    """The process's WSGI application and server; the routes of every service that runs in it."""

    def __init__(self) -> None:
        self.map = Map()
        self.closing = False
        self._server: Any = None

    def add(self, route: Route) -> None:
        self.map.add(Rule(route.declared.path, endpoint=route.respond, methods=[route.declared.method]))

    def mount(self, path: str, page: Callable[..., Response]) -> None:
        """Serve a GET that is no service's: health, metrics, documents."""
        self.map.add(Rule(path, endpoint=lambda request, values: page(**values), methods=["GET"]))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        request_id = re.sub(r"[^\w.:-]", "", request.headers.get("X-Request-ID", ""))[:64] or uuid4().hex
        with logs.bound(request_id=request_id):
            response = self._respond(request)
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
            response = _problem(request, errors.MethodNotAllowed(f"It takes {', '.join(wrong.valid_methods or ())}."))
            response.headers["Allow"] = ", ".join(wrong.valid_methods or ())
        except HTTPException as wrong:
            response = _problem(request, NotFound(f"There is nothing at {request.path}.") if wrong.code == 404 else
                                Malformed(wrong.description or ""))  # fmt: skip
        except (OperationalError, InterfaceError) as down:
            log.error("database", path=request.path, error=str(down))
            response = _problem(request, errors.Unavailable("The database does not answer.", retry_after_s=1))
        except Exception:
            log.exception("unexpected", method=request.method, path=request.path)
            response = _unexpected(request)
        _log(request, response, time.perf_counter() - began)
        return response

    def open(self, socket: Any) -> None:
        """Serve on a listening socket, whose backlog kept who came before."""
        self._server = eventlet.spawn(
            eventlet.wsgi.server, socket, self, log_output=False, socket_timeout=75, keepalive=75,
            custom_pool=eventlet.GreenPool(2_000), url_length_limit=16_384,
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


def _unexpected(request: Request) -> Response:
    document = {
        "type": "urn:waywarden:problem:unexpected",
        "title": "Something went wrong.",
        "status": 500,
        "detail": f"It is logged under {logs.request_id()}.",
    }
    return Response(to_json(document), 500, content_type=PROBLEM)
