"""The documents that others build on: OpenAPI and AsyncAPI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from deploy.documents import asyncapi_document, openapi_document
from shared.events import Event
from tests.contracts.examples import written

ROOT = Path(__file__).parents[2]
DOCUMENTS = {"openapi": openapi_document, "asyncapi": asyncapi_document}
each_document = pytest.mark.parametrize("name", DOCUMENTS)

# Of AsyncAPI 3.0 what this document uses; the whole schema is published by the AsyncAPI initiative.
REFERENCE = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string", "pattern": "^#/"}}}
ASYNCAPI = {
    "type": "object",
    "required": ["asyncapi", "info"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "id": {"type": "string"},
        "defaultContentType": {"type": "string"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {each: {"type": "string"} for each in ("title", "version", "description")},
        },
        "servers": {"type": "object"},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {
                    "address": {"type": "string"},
                    "messages": {"additionalProperties": REFERENCE, "minProperties": 1},
                    "bindings": {
                        "properties": {
                            "amqp": {
                                "properties": {
                                    "is": {"enum": ["queue", "routingKey"]},
                                    "exchange": {"required": ["name", "type"]},
                                }
                            }
                        }
                    },
                },
            }
        },
        "operations": {
            "propertyNames": {"pattern": r"^[\w .-]+$"},
            "additionalProperties": {
                "required": ["action", "channel"],
                "properties": {"action": {"enum": ["send", "receive"]}, "channel": REFERENCE},
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "messages": {
                    "propertyNames": {"pattern": r"^[\w.-]+$"},
                    "additionalProperties": {"required": ["name", "payload", "contentType"]},
                },
                "schemas": {"propertyNames": {"pattern": r"^[\w.-]+$"}},
            },
        },
    },
}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def found(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


@each_document
def test_every_reference_leads_somewhere(name: str) -> None:
    document = DOCUMENTS[name]()
    for reference in references(document):
        assert found(document, reference) is not None


@each_document
def test_a_document_can_be_sent(name: str) -> None:
    assert json.loads(json.dumps(DOCUMENTS[name](), allow_nan=False)) == DOCUMENTS[name]()


def test_the_openapi_document_is_valid() -> None:
    wrong = [
        f"{list(each.instance_path)}: {each.message}" for each in OPENAPI_31_VALIDATOR.iter_errors(openapi_document())
    ]
    assert not wrong


def test_every_schema_in_the_openapi_document_is_valid() -> None:
    for name, schema in openapi_document()["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}), name


def test_operations_have_names_of_their_own() -> None:
    names = [each["operationId"] for path in openapi_document()["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def test_every_operation_says_what_it_does_and_who_may() -> None:
    for path, operations in openapi_document()["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["description"].startswith("For "), f"{method} {path}"


def test_the_asyncapi_document_has_the_shape_of_version_3() -> None:
    wrong = [each.message for each in jsonschema_rs.validator_for(ASYNCAPI).iter_errors(asyncapi_document())]
    assert not wrong


@pytest.mark.parametrize(("event_type", "kind"), sorted(Event.known.items()))
def test_the_asyncapi_document_describes_every_event_as_it_is_written(event_type: str, kind: type[Event]) -> None:
    document = asyncapi_document()
    message = found(document, document["channels"][event_type]["messages"][event_type]["$ref"])
    schema = {**message["payload"], "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(written(kind))
    assert message["summary"]
