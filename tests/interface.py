"""The OpenAPI document as tests read it: every operation, a body that it would take, and what is wrong with others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from deploy import documents, openapi
from deploy.services import SERVICE_CLASSES
from shared.auth import PUBLIC
from shared.web import Declared

JSON = "application/json"
PATHS = {"number": "20260301-000123", "sha256": "0" * 64, "z": "0", "x": "0", "y": "0"}
OF_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}
WRONG_TYPES: dict[str, list[Any]] = {
    "string": [5, True, [], {}],
    "integer": ["5", 5.7, True, [], 2**70],
    "number": ["5", True, [], {}],
    "boolean": ["true", 1, 0, []],
    "array": [{}, "x", 5],
    "object": [[], "x", 5],
}
WRONG_FORMATS: dict[str, list[Any]] = {
    "date-time": ["2026-03-01T21:30:00", "yesterday", "2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z", "2026-03-01", ""],
    "uuid": ["not-a-uuid", "z" * 36, "0" * 32, ""],
}
UNPRINTABLE = ["nul\x00", "bell\x07"]


@dataclass(frozen=True)
class Operation:
    """One method of one path, with what it declared."""

    method: str
    path: str
    name: str
    declared: Declared
    spec: dict[str, Any]

    @property
    def public(self) -> bool:
        return self.declared.roles == PUBLIC

    @property
    def target(self) -> str:
        """The path, filled with things that are not there."""
        return re.sub(r"{(\w+)}", lambda found: PATHS.get(found[1]) or self._filling(found[1]), self.path)

    def _filling(self, name: str) -> str:
        return str(uuid4()) if name.endswith("_id") else "nothing-of-this-name"

    @property
    def body_schema(self) -> dict[str, Any] | None:
        content = self.spec.get("requestBody", {}).get("content", {})
        return resolved(content[JSON]["schema"]) if JSON in content else None

    @property
    def queries(self) -> list[dict[str, Any]]:
        return [each for each in self.spec["parameters"] if each["in"] == "query"]


def operations() -> Iterator[Operation]:
    """Every operation of the document, in its order."""
    paths = documents.openapi_document()["paths"]
    for service in SERVICE_CLASSES.values():
        for declared in openapi.declared_by(service):
            path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", declared.path)
            spec = paths[path][declared.method.lower()]
            yield Operation(declared.method, path, spec["operationId"], declared, spec)


@cache
def schemas() -> dict[str, Any]:
    found: dict[str, Any] = documents.openapi_document()["components"]["schemas"]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where it is named elsewhere or may be null."""
    if "$ref" in schema:
        return resolved(schemas()[schema["$ref"].rpartition("/")[2]])
    for several in ("anyOf", "allOf"):
        if several in schema:
            return resolved(next(each for each in schema[several] if each.get("type") != "null"))
    return schema


def type_of(schema: dict[str, Any]) -> str | None:
    kind = resolved(schema).get("type")
    return next((each for each in kind if each != "null"), None) if isinstance(kind, list) else kind


def may_be_null(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", [])
    return "null" in kinds or any(each.get("type") == "null" for each in schema.get("anyOf", []))


def plausible(schema: dict[str, Any]) -> Any:
    """A value of the right type, from the schema's own example where it has one."""
    if schema.get("example") is not None:
        return schema["example"]
    whole = resolved(schema)
    if "enum" in whole:
        return whole["enum"][0]
    if type_of(whole) == "object":
        return {name: plausible(each) for name, each in whole.get("properties", {}).items()}
    if type_of(whole) == "array":
        return [plausible(whole.get("items", {}))] * max(1, whole.get("minItems", 1))
    formats = {"uuid": str(uuid4()), "date-time": "2026-03-01T21:30:00+02:00"}
    return formats.get(whole.get("format", ""), OF_TYPE.get(type_of(whole) or "", 1))


def spoilt(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Bodies of which each has one thing wrong: the name of the field at fault, and the body."""
    good = plausible(schema)
    for name in schema.get("required", []):
        yield name, {key: value for key, value in good.items() if key != name}
    yield "no_such_field", good | {"no_such_field": 1}
    for name, each in schema["properties"].items():
        for wrong in wrong_values(each):
            yield name, good | {name: wrong}


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that the schema does not take."""
    whole, kind = resolved(schema), type_of(schema)
    if kind is None:
        return
    yield from WRONG_TYPES[kind]
    if not may_be_null(schema):
        yield None
    yield from WRONG_FORMATS.get(whole.get("format", ""), [])
    if kind == "string":
        yield from UNPRINTABLE
        yield "x" * (whole.get("maxLength", 1_000) + 1)
    if "enum" in whole:
        yield "nothing-of-this"
    for name, each in whole.get("properties", {}).items():
        yield from ({**plausible(whole), name: wrong} for wrong in wrong_values(each))
    if kind == "array":
        yield from ([wrong] for wrong in wrong_values(whole.get("items", {})))
    if kind in ("integer", "number"):
        yield from (whole[bound] + step for bound, step in (("minimum", -1), ("maximum", 1)) if bound in whole)
