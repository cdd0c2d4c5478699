"""Every route names its roles; few are open to everybody, and each of those was looked at."""

from __future__ import annotations

import pytest
from marshmallow import Schema, fields

from deploy.openapi import declared_by
from deploy.services import SERVICE_CLASSES
from shared.auth import PUBLIC, ROLES
from shared.web import Declared, http

ROUTES = [(name, each) for name, service in SERVICE_CLASSES.items() for each in declared_by(service)]
every_route = pytest.mark.parametrize(
    "route", [each for _, each in ROUTES], ids=lambda each: f"{each.method} {each.path}"
)

OPEN_TO_EVERYBODY = {
    ("POST", "/api/v1/auth/token"),  # signs in
    ("POST", "/api/v1/auth/revoke"),  # whoever holds a refresh token may end it
    ("GET", "/api/v1/auth/jwks.json"),  # public keys
    ("GET", "/f/<code>"),  # what a facility is, where, and how it stands; nothing of people, orders or units
    ("GET", "/report/"),  # a form; tells the catalogue's categories
    ("POST", "/report/"),  # a finding that waits for somebody to confirm it; so many of one address
}


@every_route
def test_a_route_names_roles_that_exist(route: Declared) -> None:
    assert route.roles == PUBLIC or set(route.roles) <= set(ROLES)


def test_only_these_routes_are_open_to_everybody() -> None:
    assert {(each.method, each.path) for _, each in ROUTES if each.roles == PUBLIC} == OPEN_TO_EVERYBODY


def test_forgetting_the_roles_is_an_error_at_import() -> None:
    with pytest.raises(TypeError):
        http("GET", "/x", summary="x")
    with pytest.raises(TypeError):
        http("GET", "/x", roles=(), summary="x")


def test_no_two_routes_answer_one_request() -> None:
    named = [(each.method, each.path) for _, each in ROUTES]
    assert len(named) == len(set(named))


@every_route
def test_a_device_changes_nothing_but_readings_and_lamp_states(route: Declared) -> None:
    if "device" in route.roles:
        assert route.reading or route.path in ("/api/v1/readings", "/api/v1/lamp-states")


@every_route
def test_a_path_is_in_the_contracts_style(route: Declared) -> None:
    bare = route.path.replace("<", "{").replace(">", "}")
    assert bare.startswith("/api/v1/") or route.path.startswith(("/open311/v2/", "/cap/", "/f/", "/report/"))
    assert "_" not in "/".join(part for part in bare.split("/") if "{" not in part)


# What reporters wrote, and who reported, decided, added or is responsible: reading it leaves a line in the audit trail.
ABOUT_PEOPLE = {
    "reporter", "description", "summary", "inspector", "moved_by", "who", "responsible_name", "responsible_phone",
}  # fmt: skip


def fields_of(schema: Schema | None) -> set[str]:
    """The names of a schema's fields, those of the schemas within it too."""
    found: set[str] = set()
    for name, field in (schema.fields if schema else {}).items():
        inner = field.inner if isinstance(field, fields.List) else field
        found |= {name} | (fields_of(inner.schema) if isinstance(inner, fields.Nested) else set())
    return found


@every_route
def test_reading_what_names_people_leaves_a_line_in_the_audit_trail(route: Declared) -> None:
    if route.reading and fields_of(route.answer) & ABOUT_PEOPLE:
        assert route.audit == "read"
    if route.reading and route.path.endswith("<sha256>"):
        assert route.audit == "read"


@every_route
def test_exports_and_changes_of_accounts_leave_a_line_in_the_audit_trail(route: Declared) -> None:
    if route.media.startswith("text/csv"):
        assert route.audit == "export"
    if "/members" in route.path:
        assert route.audit == ("read" if route.reading else "change")
    if "/auth/" in route.path and not route.reading:
        assert route.audit == "sign-in"
