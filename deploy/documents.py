"""What describes the interface: /, /openapi.json, /asyncapi.json and /docs, which needs neither Node nor a network."""

from __future__ import annotations

import json
import mimetypes
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import msgspec
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from deploy import openapi
from deploy.services import SERVICE_CLASSES
from deploy.site import Site
from shared import errors, screens
from shared.envelope import Envelope
from shared.events import Event
from shared.events.queues import exchange_of, subscribers_of
from shared.screens import guarded, inline
from shared.web import JSON

VERSION = "0.1.0"
SWAGGER_UI = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))  # without importing Flask
FRONT = (Path(__file__).parent / "front.html").read_text(encoding="utf-8")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Waywarden API</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui", docExpansion: "none", persistAuthorization: true})
</script>
</body></html>"""


CLOSED = f"{screens.CLOSED}; form-action 'none'"
FRONT_POLICY = f"{CLOSED}; style-src {inline('style', FRONT)}"
# Swagger UI styles its elements one by one.
DOCS_POLICY = (
    f"{CLOSED}; script-src 'self' {inline('script', PAGE)}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'"
)


@cache
def openapi_document() -> dict[str, Any]:
    return openapi.document(VERSION, SERVICE_CLASSES.values())


@cache
def asyncapi_document() -> dict[str, Any]:
    """AsyncAPI 3.0: a channel for every event type, with who hears it."""
    types = sorted(Event.known.items())
    payloads, schemas = msgspec.json.schema_components(
        [Envelope[each] for _, each in types],  # type: ignore[valid-type]
        ref_template="#/components/schemas/{name}",
    )
    messages = {
        name: {"name": name, "title": each.__name__, "summary": (each.__doc__ or "").strip().splitlines()[0],
               "contentType": "application/cloudevents+json", "payload": payload}
        for (name, each), payload in zip(types, payloads, strict=True)
    }  # fmt: skip
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Waywarden events", "version": VERSION, "description": "CloudEvents 1.0 in JSON over AMQP."},
        "channels": {name: _channel(name, each) for name, each in types},
        "operations": {
            f"send {name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name, _ in types
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _channel(name: str, event: type[Event]) -> dict[str, Any]:
    heard = ", ".join(subscribers_of(name)) or "none of ours"
    exchange = {"name": exchange_of(event.service), "type": "topic", "durable": True}
    return {
        "address": name,
        "description": f"Queues that hear it: {heard}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange}},
    }


def mount(site: Site) -> None:
    texts = {"/openapi.json": openapi_document, "/asyncapi.json": asyncapi_document}
    for path, make in texts.items():
        site.mount(path, lambda make=make: Response(_text(make), content_type=JSON))
    site.mount("/", lambda: page(FRONT, FRONT_POLICY))
    site.mount("/docs", lambda: page(PAGE, DOCS_POLICY))
    site.mount("/docs/<path:name>", swagger_file)


@cache
def _text(make: Any) -> str:
    return json.dumps(make(), ensure_ascii=False)


def page(text: str, policy: str) -> Response:
    """A page for people, that nobody else's page can hold in a frame."""
    return Response(text, content_type="text/html; charset=utf-8", headers=guarded(policy))


def swagger_file(name: str) -> Response:
    """A file of Swagger UI, which is installed as a Python package. Raises NotFound."""
    path = safe_join(str(SWAGGER_UI), name)
    if path is None or not Path(path).is_file():
        raise errors.NotFound(f"There is no {name} here.")
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Cache-Control": "max-age=86400"} | guarded(CLOSED)
    return Response(Path(path).read_bytes(), content_type=media, headers=headers)
