"""Bad input, over all operations of the OpenAPI document: a clear 4xx that names the field, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from deploy.process import wait_until
from deploy.stack import Embedded
from shared.auth import ROLES, Keys, User
from shared.events.queues import SERVICES
from tests.client import Answer, Client, System
from tests.interface import JSON, Operation, operations, spoilt

PROBLEM = "application/problem+json"
ALL = [pytest.param(each, id=each.name) for each in operations()]
WITH_BODY = [each for each in ALL if each.values[0].body_schema]  # type: ignore[union-attr]
GUARDED = [each for each in ALL if not each.values[0].public]  # type: ignore[union-attr]
# Changed by housekeeping or by looking: nothing of what a client asked for.
PASSING = ("tallies", "sign_in_tries", "alembic_version")

Complaint = str
Tried = tuple[str, str, Answer]  # what was tried, the field that must be named (or ""), the answer


@pytest.fixture(scope="module")
def system(embedded: Embedded) -> Iterator[System]:
    made = System.of(embedded)
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(system: System, embedded: Embedded) -> Client:
    wait_until(lambda: not stored(embedded)["assets.area_sweeps"], 60, lambda: "the sample's areas are not swept")
    return system.user("admin")


def stored(embedded: Embedded) -> dict[str, int]:
    """How many rows each table has."""
    counts: dict[str, int] = {}
    for service in SERVICES:
        engine = create_engine(embedded.database_url(service), poolclass=NullPool)
        with engine.connect() as connection:
            names = tables_of(service, connection)
            counted = connection.execute(
                text(f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in names)}")
            )
            counts |= zip((f"{service}.{each}" for each in names), counted.one(), strict=True)
    return counts


TABLES: dict[str, list[str]] = {}


def tables_of(service: str, connection: Connection) -> list[str]:
    """Looked up once: it takes longer than to count them all."""
    if service not in TABLES:
        TABLES[service] = [each for each in inspect(connection).get_table_names() if each not in PASSING]
    return TABLES[service]


def refused(embedded: Embedded, tries: Callable[[], Iterable[Tried]], statuses: set[int]) -> None:
    """Every try got one of these statuses as a problem document that names the field; the tables are as before."""
    before = stored(embedded)
    complaints = [each for tried in tries() for each in complaints_about(tried, statuses)]
    assert not complaints, "\n".join(complaints[:20])
    assert stored(embedded) == before


def complaints_about(tried: Tried, statuses: set[int]) -> Iterator[Complaint]:
    what, field, answer = tried
    if answer.status not in statuses:
        yield f"{what}: {answer}"
    elif answer.headers.get("Content-Type") != PROBLEM or answer.json()["status"] != answer.status:
        yield f"{what}: no problem document: {answer.headers} {answer}"
    elif field and not any(named(each["field"], field) for each in answer.json().get("errors", [])):
        yield f"{what}: {field} is not named: {answer}"


def named(shown: str, field: str) -> bool:
    return shown == field or shown.startswith(f"{field}.")


def short(value: Any) -> str:
    return repr(value)[:120]


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_field_that_is_wrong_missing_or_unknown_is_named(
    embedded: Embedded, admin: Client, operation: Operation
) -> None:
    def tries() -> Iterator[Tried]:
        for field, body in spoilt(operation.body_schema or {}):
            answer = admin.send(operation.method, operation.target, content=json.dumps(body).encode())
            yield f"{field} = {short(body.get(field, 'missing'))}", field, answer

    refused(embedded, tries, {400, 422})


NO_JSON = {
    "empty": b"",
    "cut off": b'{"id": ',
    "half of a surrogate pair": b'{"note": "\\ud800"}',
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "NaN": b'{"quantity": NaN}',
    "Infinity": b'{"quantity": -Infinity}',
    "a huge number": b'{"quantity": 1e999}',
    "two values": b"{}{}",
    "a comment": b"{/* none */}",
    "deep nesting": b"[" * 100_000,
    "deep nesting of objects": b'{"a":' * 100_000,
}
NO_OBJECT = {"an array": b"[]", "a text": b'"x"', "null": b"null", "a number": b"5", "nested": b"[" * 500 + b"]" * 500}


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_that_is_no_json_object_is_refused(embedded: Embedded, admin: Client, operation: Operation) -> None:
    def tries() -> Iterator[Tried]:
        for what, content in NO_JSON.items():
            yield what, "", admin.send(operation.method, operation.target, content=content)
        for what, content in NO_OBJECT.items():
            yield what, "", admin.send(operation.method, operation.target, content=content)

    refused(embedded, tries, {400, 422})


@pytest.mark.parametrize("operation", WITH_BODY)
def test_a_body_of_another_kind_or_size_is_refused(embedded: Embedded, admin: Client, operation: Operation) -> None:
    def other_kind() -> Iterator[Tried]:
        for media in (
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ):
            headers = {"Content-Type": media}
            yield media, "", admin.send(operation.method, operation.target, content=b"{}", headers=headers)

    def too_large() -> Iterator[Tried]:
        limit = operation.declared.body_limit or 1_000_000
        content = b'{"note": "' + b"x" * (limit + 100_000) + b'"}'
        yield f"{len(content):,} bytes", "", admin.send(operation.method, operation.target, content=content)

    refused(embedded, other_kind, {415})
    refused(embedded, too_large, {413})


def forged_tokens(system: System) -> dict[str, str]:
    """Tokens that are not to be believed."""
    ours = system.signing
    kid = ours.jwks["keys"][0]["kid"]
    claims = jwt.decode(ours.sign(User("admin", "admin")), options={"verify_signature": False})
    stranger = Ed25519PrivateKey.generate()
    good = ours.sign(User("admin", "admin"))
    head, payload, signature = good.split(".")
    no_role = {name: value for name, value in claims.items() if name != "role"}
    return {
        "no token at all": "nonsense",
        "expired": ours.sign(User("admin", "admin"), timedelta(seconds=-1)),
        "alg none": jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        "HS256 with the public key": by_hand(claims, ours.jwks["keys"][0]["x"], kid),
        "another key under our name": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": kid}),
        "an unknown key": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": "other"}),
        "no key named": jwt.encode(claims, stranger, algorithm="EdDSA"),
        "another issuer": signed(ours, {**claims, "iss": "somebody"}, kid),
        "no role": signed(ours, no_role, kid),
        "signature of another": ".".join([head, payload, signature[::-1]]),
        "no signature": f"{head}.{payload}.",
        "payload of another": ".".join([head, payload[:-4] + "AAAA", signature]),
    }


def signed(keys: Keys, claims: dict[str, Any], kid: str) -> str:
    return jwt.encode(claims, keys.signing, algorithm="EdDSA", headers={"kid": kid})  # type: ignore[arg-type]


def by_hand(claims: dict[str, Any], secret: str, kid: str) -> str:
    """A token whose signature is made with the public key as a shared secret; it must be short of 32 bytes."""
    with pytest.warns(jwt.InsecureKeyLengthWarning) if len(secret) < 32 else nothing():
        return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


class nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *failure: object) -> None: ...


@pytest.fixture(scope="module")
def strangers(system: System) -> dict[str, Client]:
    return {"nobody": system.nobody()} | {what: system.client(token) for what, token in forged_tokens(system).items()}


@pytest.mark.parametrize("operation", GUARDED)
def test_who_cannot_prove_who_they_are_gets_nothing(
    embedded: Embedded, strangers: dict[str, Client], operation: Operation
) -> None:
    content = b"{}" if operation.body_schema else None

    def tries() -> Iterator[Tried]:
        for what, client in strangers.items():
            answer = client.send(operation.method, operation.target, content=content)
            assert answer.headers.get("WWW-Authenticate"), what
            yield what, "", answer

    refused(embedded, tries, {401})


@pytest.fixture(scope="module")
def by_role(system: System) -> dict[str, Client]:
    return {role: system.user(role, crew="crew-1" if role == "crew" else None) for role in ROLES} | {
        "an unknown role": system.user("emperor")
    }


@pytest.mark.parametrize("operation", GUARDED)
def test_a_role_that_is_not_named_gets_nothing(
    embedded: Embedded, by_role: dict[str, Client], operation: Operation
) -> None:
    allowed = {*operation.declared.roles, "admin", *(["manager"] if operation.declared.reading else [])}
    content = b"{}" if operation.body_schema else None

    def tries() -> Iterator[Tried]:
        for role, client in by_role.items():
            if role not in allowed:
                yield role, "", client.send(operation.method, operation.target, content=content)

    refused(embedded, tries, {403})


READ, WRITE = "GET", "POST"
# contract.md, "Who may do what": these may, all others may not.
MAY = {
    (READ, "/facilities"): "operator dispatcher controller inspector crew citizen",
    (READ, "/rates"): "operator dispatcher controller inspector crew citizen",
    (WRITE, "/facilities"): "operator",
    (READ, "/findings"): "inspector operator dispatcher controller",
    (WRITE, "/findings/{finding_id}/confirm"): "operator dispatcher",
    (WRITE, "/findings/{finding_id}/reject"): "operator dispatcher",
    (WRITE, "/findings/{finding_id}/merge"): "operator dispatcher",
    (WRITE, "/light-checks"): "inspector",
    (READ, "/work-orders"): "crew dispatcher controller operator",
    (WRITE, "/work-orders/{number}/accept"): "crew",
    (WRITE, "/work-orders/{number}/complete"): "crew",
    (WRITE, "/work-orders/{number}/dispatch"): "dispatcher",
    (WRITE, "/work-orders/{number}/check"): "dispatcher",
    (WRITE, "/work-orders/{number}/void"): "dispatcher",
    (WRITE, "/work-orders/{number}/call-back"): "operator",
    (READ, "/sensors"): "controller dispatcher operator",
    (WRITE, "/sensors"): "",
    (WRITE, "/rules"): "",
    (WRITE, "/readings"): "device",
    (READ, "/alerts"): "controller dispatcher operator",
    (WRITE, "/alerts/{alert_id}/acknowledge"): "controller",
}


@pytest.mark.parametrize(("method", "path"), MAY)
def test_roles_are_those_of_the_contract(method: str, path: str) -> None:
    (operation,) = [each for each in operations() if (each.method, each.path) == (method, f"/api/v1{path}")]
    assert set(operation.declared.roles) - {"admin", "manager"} == set(MAY[method, path].split())


QUERIES: dict[str, list[str]] = {
    "integer": ["5.7", "abc", "", "1e3", "-1", "999999999999999999999", "٣"],
    "boolean": ["yes", "1", "True", ""],
    "string": ["", "nul%00", "%07"],
}


@pytest.mark.parametrize("operation", [each for each in ALL if each.values[0].queries])  # type: ignore[union-attr]
def test_a_query_argument_that_is_wrong_twice_or_unknown_is_named(
    embedded: Embedded, admin: Client, operation: Operation
) -> None:
    def tries() -> Iterator[Tried]:
        yield ask("no_such_argument", "1")
        for argument in operation.queries:
            name, schema = argument["name"], argument["schema"]
            kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
            wrong = [*QUERIES[kind], *(["nothing-of-this"] if "enum" in schema else [])]
            may_be_empty = schema.get("minLength") == 0  # then it asks for what has none
            yield from (ask(name, value) for value in wrong if value or not may_be_empty)
            what, _, answer = ask(name, f"1&{name}=2")
            yield what, name, answer

    def ask(name: str, value: str) -> Tried:
        answer = admin_send_raw(admin, f"{operation.target}?{name}={value}", operation.method)
        return f"{name}={value}", name, answer

    refused(embedded, tries, {400, 422})


def admin_send_raw(client: Client, target: str, method: str = "GET") -> Answer:
    """A request whose query goes out as it is written."""
    from urllib.parse import quote

    headers = {"Authorization": f"Bearer {client.token}"}
    return client._patiently(method, quote(target, safe="/%?=&:,"), None, headers)


CURSORS = ["x", "W10", "WzEsMl0", "bnVsbA", "eyJhIjoxfQ", "[" * 100, "WyJub3doZXJlIl0x", "_" * 400]


@pytest.mark.parametrize(
    "path", ["/facilities", "/findings", "/work-orders", "/alerts", "/sensors", "/members", "/rules"]
)
def test_a_cursor_that_is_none_of_ours_is_refused(embedded: Embedded, admin: Client, path: str) -> None:
    def tries() -> Iterator[Tried]:
        for cursor in CURSORS:
            yield cursor, "cursor", admin.send("GET", f"/api/v1{path}", query={"cursor": cursor})

    refused(embedded, tries, {422})


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**9])
def test_a_page_has_one_to_a_thousand_items(embedded: Embedded, admin: Client, limit: int) -> None:
    def tries() -> Iterator[Tried]:
        yield str(limit), "limit", admin.send("GET", "/api/v1/facilities", query={"limit": limit})

    refused(embedded, tries, {422})


@pytest.mark.parametrize(
    "path",
    ["/findings/not-a-uuid", "/findings/%00", f"/findings/{uuid4().hex}", "/work-orders/0", "/work-orders/20260301-",
     "/work-orders/20260301-99999999999999999999999", "/work-orders/%00%0a", "/facilities/%00", "/facilities/%ff",
     f"/facilities/{'x' * 5_000}", "/alerts/5",
     "/photos/../../keys/signing.pem", "/photos/..%2f..%2fkeys%2fsigning.pem",
     f"/photos/{'0' * 63}g", f"/photos/{'0' * 64}", "/crews/%e2%80%ae", "/nothing/of/this", "/"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(embedded: Embedded, admin: Client, path: str) -> None:
    def tries() -> Iterator[Tried]:
        yield path, "", admin_send_raw(admin, f"/api/v1{path}")

    refused(embedded, tries, {400, 404, 422})


def test_a_body_that_names_a_field_twice_has_one_meaning(embedded: Embedded, admin: Client) -> None:
    def tries() -> Iterator[Tried]:
        content = b'{"reason": "unfounded", "reason": "nonsense", "note": ""}'
        path = f"/api/v1/work-orders/{20260301}-000001/void"
        yield "the last one counts", "reason", admin.send("POST", path, content=content, headers={"Content-Type": JSON})

    refused(embedded, tries, {422})
