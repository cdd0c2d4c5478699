"""The OpenAPI 3.1 document, made from what the routes declare."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema
from marshmallow.validate import Range

from services.assets.geojson import DEPTH, Geometry
from shared import errors, fields
from shared.auth import COOKIE, PUBLIC
from shared.screens import HTML
from shared.web import JSON, PROBLEM, STREAM, Declared, status_of

ALWAYS = (errors.Malformed, errors.NotFound, errors.Invalid, errors.Unavailable)
PATH_TYPES = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number"},
    "": {"type": "string", "minLength": 1},
}


class Problem(Schema):
    """RFC 9457."""

    type = fields.String(required=True, metadata={"example": "urn:waywarden:problem:not-found"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.List(fields.Dict(keys=fields.String(), values=fields.String()))


def declared_by(service_class: type) -> list[Declared]:
    """The routes of a service: those of its own class and of the classes that it is put together from."""
    found = (getattr(method, "declared", None) for part in service_class.__mro__ for method in vars(part).values())
    return [each for each in found if each]


def document(version: str, services: Iterable[type]) -> dict[str, Any]:
    """One document for all services."""
    plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
    spec = APISpec("Waywarden", version, "3.1.0", plugins=[plugin], info={"description": DESCRIPTION})
    assert plugin.converter
    plugin.converter.add_attribute_function(_strict)  # type: ignore[no-untyped-call]
    plugin.converter.field_mapping[Geometry] = ("object", None)
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    spec.components.security_scheme("cookie", {"type": "apiKey", "in": "cookie", "name": COOKIE})
    spec.components.schema("Problem", schema=Problem)
    for service in services:
        for each in declared_by(service):
            path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", each.path)
            spec.path(path, operations={each.method.lower(): _operation(each, service.name)})  # type: ignore[attr-defined]
    return spec.to_dict()


DESCRIPTION = (
    "A city's lights, roads, manholes and drains. Errors are RFC 9457 problem documents. Times carry an offset; "
    "coordinates are WGS 84, longitude first. Sending the same POST again, with the same id, answers as the first time."
)


def _schema_name(schema: Any) -> str:
    """``alerts.RuleOut``: each service names its own, so that two may use one name."""
    kind = schema if isinstance(schema, type) else type(schema)
    package, _, rest = kind.__module__.partition(".")
    return f"{rest.partition('.')[0]}.{kind.__name__}" if package == "services" else kind.__name__


# What our fields refuse beyond their types; the first that fits.
PATTERNS: dict[type, str] = {
    fields.Code: r"^[^/\s\x00-\x1f\x7f]([^/\x00-\x1f\x7f]*[^/\s\x00-\x1f\x7f])?$",
    fields.Sha256: r"^[0-9a-f]{64}$",
}
GEOMETRY = {
    "required": ["type", "coordinates"],
    "properties": {"type": {"type": "string", "enum": list(DEPTH)}, "coordinates": {"type": "array"}, "bbox": {}},
    "additionalProperties": False,
}


def _strict(_self: Any, field: Any, ret: Any = None, **_: Any) -> dict[str, Any]:
    """What our fields refuse beyond their types."""
    if isinstance(field, Geometry):
        return GEOMETRY
    if isinstance(field, fields.Integer):
        return {"format": "int64"}
    if pattern := next((each for kind, each in PATTERNS.items() if isinstance(field, kind)), None):
        return {"pattern": pattern}
    above = [each.min for each in field.validators if isinstance(each, Range) and not each.min_inclusive]
    return {"exclusiveMinimum": above[0]} if above and above[0] is not None else {}


def _operation(declared: Declared, service: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{service}.{declared.name}",
        "tags": [service],
        "summary": declared.summary,
        "description": _who(declared),
        "parameters": [*_path_parameters(declared.path), *_headers(declared)],
        "responses": _responses(declared),
        "security": [{}] if declared.roles == PUBLIC else _security(declared),
    }
    if declared.query:
        operation["parameters"].append({"in": "query", "schema": declared.query})
    if declared.body:
        operation["requestBody"] = {"required": True, "content": {declared.reads: {"schema": declared.body}}}
    elif declared.reads != JSON:
        binary = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": {declared.reads: binary}}
    return operation


def _who(declared: Declared) -> str:
    if declared.roles == PUBLIC:
        return "For everybody."
    also = "admin and manager" if declared.reading else "admin"
    return f"For {', '.join(declared.roles)}; also {also}."


def _security(declared: Declared) -> list[dict[str, list[str]]]:
    cookie: list[dict[str, list[str]]] = [{"cookie": []}] if declared.media == STREAM else []
    return [{"bearer": []}, *cookie]


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"in": "path", "name": name, "required": True, "schema": PATH_TYPES.get(kind, PATH_TYPES[""])}
        for kind, name in re.findall(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>", path)
    ]


def _headers(declared: Declared) -> list[dict[str, Any]]:
    if declared.reading or not declared.body:
        return []
    wanted = [{"in": "header", "name": "If-Match", "schema": {"type": "string"}, "description": "The ETag as read."}]
    key = {"type": "string", "maxLength": 200}
    about = "Names this command, so that sending it again has no second effect."
    return [*wanted, {"in": "header", "name": "Idempotency-Key", "schema": key, "description": about}]


def _responses(declared: Declared) -> dict[str, Any]:
    statuses = (declared.status, declared.also_status or declared.status)
    answers: dict[str, Any] = {str(status): _answer(declared) for status in statuses}
    for refusal in _refusals(declared):
        content: dict[str, Any] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        content |= {HTML: {"schema": {"type": "string"}}} if declared.media == HTML else {}
        same = answers.setdefault(str(status_of(refusal)), {"description": "", "content": content})
        same["description"] = f"{same['description']} {refusal.title()}".strip()
    return answers | {"414": {"description": "The address is longer than the server reads."}}


def _answer(declared: Declared) -> dict[str, Any]:
    if declared.media != JSON:
        content = {each: {"schema": {"type": _type_of(each)}} for each in (declared.media, *declared.also_media)}
        return {"description": "Done.", "content": content}
    if declared.answer is None:
        return {"description": "Done."}
    schema: Any = declared.answer
    if declared.paged:
        items = {"type": "array", "items": declared.answer}
        schema = {"type": "object", "properties": {"items": items, "next": {"type": ["string", "null"]}}}
    content = {JSON: {"schema": schema}}
    content |= {each: {"schema": {"type": "object"}} for each in declared.also_media}
    return {"description": "Done.", "content": content}


def _type_of(media: str) -> str:
    return "object" if media.endswith("+json") else "string"


def _refusals(declared: Declared) -> list[type[errors.Refused]]:
    found: list[type[errors.Refused]] = [*ALWAYS, *declared.refuses]
    if declared.roles != PUBLIC:
        found += [errors.Unauthenticated, errors.Forbidden]
    if not declared.reading:
        found += [errors.Conflict, errors.Stale, errors.TooLarge, errors.UnsupportedMedia]
    return sorted(dict.fromkeys(found), key=status_of)
