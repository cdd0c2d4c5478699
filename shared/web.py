"""HTTP: one entrypoint that all services use. deploy/site.py is the web server that calls it.

A route declares who may call it, what it reads and what it answers. From that declaration come the permission check,
strict validation, the transaction, idempotency, entity tags, problem documents and the OpenAPI document.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
from marshmallow import Schema
from nameko.extensions import Entrypoint
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from shared import errors, workers
from shared.audit import Entry, Sort, Trail
from shared.auth import COOKIE, PUBLIC, Keys, User, allow
from shared.db import duplicate
from shared.errors import Conflict, Invalid, Malformed, NotFound, Refused
from shared.paging import Page
from shared.requests import Answer, Once, keep, kept, once
from shared.settings import Settings
from shared.turns import Turns

API = "/api/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"
STREAM = "text/event-stream"
SENT_BY_PEOPLE = {  # headers of bytes that somebody sent: no browser runs them, no proxy keeps them
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
NOBODY = User("", "public")
LONGEST_KEY = 200
AT_A_TIME = 50  # things of a page that are rendered before others have their turn
LONG_PAGE = 100  # more things keep the hub busy for so long that an account has few such pages at once
# Of a JSON body. A MultiPolygon in a field is eight deep.
DEEPEST, MOST_FIELDS, MOST_VALUES = 32, 1_000, 200_000

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


to_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a route says of itself. It gives its schemas as classes, here are instances of them."""

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
    receive: Callable[[Request, Settings], dict[str, Any]] | None = None
    """Reads a body that is no JSON; what it puts into the request's ``files`` is closed at the end."""
    media: str = JSON
    also_status: int | None = None
    also_media: tuple[str, ...] = ()
    natural_key: str | None = None
    transaction: bool = True
    body_limit: int | None = None
    refuses: tuple[type[Refused], ...] = ()
    lets_go: bool = False
    """Whether the caller may see the thing no more once this succeeded; sent again it is answered all the same."""
    audit: Sort | None = None
    """What a success is in the audit trail, where it is to be there; refusals always are."""
    heavy: bool = False
    """Keeps a processor or the database busy for long: an account has few of these at once."""

    def __post_init__(self) -> None:
        for name in ("body", "query", "answer"):
            if schema := getattr(self, name):
                object.__setattr__(self, name, schema())

    @property
    def reading(self) -> bool:
        return self.method == "GET"


class Fairness:
    """How many requests and streams one account has at once; without an account its address counts."""

    def __init__(self, settings: Settings) -> None:
        self.requests = Turns(settings.requests_per_account, waiting=64, wait_s=10)
        self.heavy = Turns(2, waiting=16, wait_s=30)
        self.pages = Turns(2, waiting=64, wait_s=30)
        self.streams = Turns(settings.streams_per_account)

    def take(self, held: ExitStack, declared: Declared, key: str, items: int) -> None:
        """Wait for the turn of a request that asks for so many items, which ends with ``held``. Raises TooMany."""
        if declared.media == STREAM:
            held.enter_context(self.streams.take(key))
        elif declared.heavy:
            held.enter_context(self.heavy.take(key))
        elif items > LONG_PAGE:
            held.enter_context(self.pages.take(key))
        else:
            held.enter_context(self.requests.take(key))


def whose(user: User, request: Request) -> str:
    """Whom a request counts for."""
    return request.remote_addr or "" if user is NOBODY else f"{user.role} {user.name}"


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
    entry: Entry
    """Of the audit trail; see shared/audit.py."""
    session: Session = field(init=False)

    def wants(self, media: str) -> bool:
        """Whether the client would rather have this media type than plain JSON."""
        return self.request.accept_mimetypes.best_match([JSON, media], JSON) == media


def http(
    method: str, path: str, *, prefix: str = API, **said: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a method ``(self, call, **path variables)`` answer a route. ``said``: what ``Declared`` holds.

    What it returns is dumped by ``answer`` (a ``Page`` item by item, where ``paged``); it may also return
    ``(status, thing)`` or a werkzeug Response. A GET reads by ``call.session``, any other method gets a
    write transaction that commits before the answer leaves, unless ``transaction=False``. A POST that carries an
    ``id``, its ``natural_key`` or an Idempotency-Key takes effect once.
    """
    if not said.get("roles"):
        raise TypeError(f"{method} {path} names no role; say PUBLIC if everybody may.")

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        declared = Declared(method=method, path=prefix + path, name=run.__name__, **said)

        @functools.wraps(run)
        def answer_call(service: Any, call: Call, **path: Any) -> Answer | Response | Refused:
            try:
                return _carry_out(declared, functools.partial(run, service), service, call, path)
            except Refused as refused:
                return refused

        answer_call.declared = declared  # type: ignore[attr-defined]
        return Route.decorator(declared)(workers.contained(answer_call))  # type: ignore[no-any-return]

    return decorate


def _carry_out(
    declared: Declared, run: Callable[..., Any], service: Any, call: Call, path: Mapping[str, Any]
) -> Answer | Response:
    if not declared.transaction:
        return _render(declared, run(call, **path))
    if declared.reading:
        with service.db.look() as call.session:
            return _render(declared, run(call, **path))
    try:
        with service.db.begin() as call.session:
            answer = _render(declared, run(call, **path))
            if call.command and isinstance(answer, Answer):
                keep(call.session, call.command, answer)
        return answer
    except NotFound as gone:  # what has become somebody else's is not shown again as it once was
        return _first_answer(service, call.command if declared.lets_go or declared.method == "DELETE" else None, gone)
    except (Refused, IntegrityError) as refused:
        return _first_answer(service, call.command, refused)


def _first_answer(service: Any, command: Once | None, refused: Exception) -> Answer:
    """What the same command got before, if that is why it was refused now."""
    if command:
        with service.db.look() as session:
            if answer := kept(session, command):
                return answer
    if duplicate(refused):
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
        return Answer(status, to_json({"items": _dumped(declared, page.items), "next": page.next}))
    data = declared.answer.dump(thing)
    headers = {"ETag": f'"{data["revision"]}"'} if "revision" in data else {}
    return Answer(status, to_json(data), headers)


def _dumped(declared: Declared, items: Sequence[Any]) -> list[Any]:
    """A long page some at a time, so that others have their turn; not in a write transaction, which holds SQLite."""
    dumped: list[Any] = []
    for first in range(0, len(items), AT_A_TIME):
        if first and declared.reading:
            workers.give_way()
        dumped += declared.answer.dump(items[first : first + AT_A_TIME], many=True)  # type: ignore[union-attr]
    return dumped


class Route(Entrypoint):  # type: ignore[misc]
    """A nameko entrypoint that the process's site calls for the requests that match it."""

    def __init__(self, declared: Declared, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.declared = declared

    def setup(self) -> None:
        config = self.container.config
        self.keys: Keys = config["keys"]
        self.settings: Settings = config["settings"]
        self.limit = self.declared.body_limit or self.settings.body_limit_bytes
        self.trail: Trail | None = config.get("trail")
        self.turns: Fairness = config.setdefault("turns", Fairness(self.settings))
        config["site"].add(self)

    def respond(self, request: Request, path: Mapping[str, Any]) -> Response:
        """Check the request, run the method in a worker, and make its response. Raises Refused."""
        with ExitStack() as held:
            held.callback(request.close)
            with self._entry(request, path) as entry:
                result = workers.run(self, (self._check(request, entry, held),), dict(path))
                if isinstance(result, Refused):
                    raise result
            if isinstance(result, Response) and result.is_streamed:
                result.call_on_close(held.pop_all().close)
        if isinstance(result, Answer):
            return Response(result.body, result.status, result.headers, content_type=self.declared.media)
        return result  # type: ignore[no-any-return]

    def _entry(self, request: Request, path: Mapping[str, Any]) -> Entry:
        said, service = self.declared, self.container.service_name
        about = {"method": said.method, "route": said.path, "service": service, "address": request.remote_addr}
        return Entry(self.trail, said.audit, path, **about)

    def _check(self, request: Request, entry: Entry, held: ExitStack) -> Call:
        declared = self.declared
        user = self._user(request)
        entry.account, entry.role = user.name or None, user.role
        if declared.roles != PUBLIC:
            allow(user, declared.roles, reading=declared.reading)
        query = _load(declared.query, _arguments(request))
        turn = functools.partial(self.turns.take, held, declared, whose(user, request), query.get("limit", 0))
        if user is not NOBODY:  # whose address may be another one's too: a slow body must not take their turn
            turn()
        if declared.reads != JSON and not declared.receive:
            read_body(request, self.limit)  # here, since a slow one must not keep a worker; the method gets it again
        body = self._body(request) if declared.body else {}
        if user is NOBODY:
            turn()
        return Call(
            request=request,
            user=user,
            query=query,
            body=_load(declared.body, body),
            expected=_expected(request),
            command=self._command(request, body, user),
            entry=entry,
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
        if self.declared.receive:
            return self.declared.receive(request, self.settings)
        if request.mimetype not in (JSON, ""):
            raise errors.UnsupportedMedia(f"The body is {request.mimetype}; this reads {JSON}.")
        data = read_body(request, self.limit)
        try:
            document = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
            raise Malformed(f"The body is no JSON: {wrong}") from wrong
        check_shape(document)
        return document

    def _command(self, request: Request, body: Any, user: User) -> Once | None:
        declared = self.declared
        if declared.reading or not isinstance(body, dict):
            return None
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > LONGEST_KEY:
            raise Invalid(f"Is over {LONGEST_KEY} characters long.", field="Idempotency-Key")
        if declared.natural_key:
            return once(f"{declared.path} {body[declared.natural_key]}", request.path, body)
        if "id" in body and declared.method == "POST":
            return once(f"{declared.path} {str(body['id']).lower()}", request.path, body, user.name)
        if key:
            return once(f"key {user.name[:90]} {key}", request.method, request.path, body, user.name)
        return None


def check_shape(document: Any) -> None:
    """Bound what a small body unpacks into, and what each look at it costs. Raises Malformed."""
    level, seen = [document] if type(document) in (dict, list) else [], 0
    for _ in range(DEEPEST):
        if not level:
            return
        if any(type(each) is dict and len(each) > MOST_FIELDS for each in level):
            raise Malformed(f"An object has over {MOST_FIELDS:,} fields.")
        below = [inner for each in level for inner in (each.values() if type(each) is dict else each)]
        seen += len(below)
        if seen > MOST_VALUES:
            raise Malformed(f"The body holds over {MOST_VALUES:,} values.")
        level = [each for each in below if type(each) is dict or type(each) is list]
    if level:
        raise Malformed(f"The body is nested deeper than {DEEPEST}.")


def read_body(request: Request, limit: int) -> bytes:
    """The whole body, of at most ``limit`` bytes. Raises TooLarge, and UnsupportedMedia where it is packed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise errors.UnsupportedMedia("A body comes as it is, without Content-Encoding.")
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
