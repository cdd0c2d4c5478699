"""What a broker is told before its first client comes: users, what each may do, and the whole manifest of queues.

A service's user makes and empties its own exchange and queues, and binds its queues to the exchanges of others. It
reads no other service's queue and publishes on nobody else's exchange.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.events.queues import QUEUES, SERVICES, exchange_of

ADMINISTRATOR = "waywarden"
OURS = rf"^({'|'.join(SERVICES)})\."
# From 4.0 on a quorum queue drops what was delivered 20 times to no effect. Versions differ in what -1 means, and some
# do not take a policy over to queues that are there: it is imported before them.
DELIVERY_LIMIT = {"delivery-limit": 100_000}
ANYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
RIGHTS = {
    service: {
        "configure": rf"^{service}\.",
        "write": rf"^{service}\.",
        "read": rf"^({service}\..*|({'|'.join(SERVICES)})\.events)$",
    }
    for service in SERVICES
}


def definitions(vhost: str, passwords: Mapping[str, str]) -> str:
    """What RabbitMQ imports. ``passwords`` of the administrator and of each service's user."""
    rights = {ADMINISTRATOR: ANYTHING} | RIGHTS
    exchanges = [_named(exchange_of(each), vhost) | {"type": "topic"} for each in SERVICES]
    queues = [_named(each, vhost) | {"arguments": {"x-queue-type": "quorum"}} for each in QUEUES]
    return json.dumps(
        {
            "vhosts": [{"name": vhost}],
            "users": [_user(name, password) for name, password in passwords.items()],
            "permissions": [{"user": name, "vhost": vhost, **rights[name]} for name in passwords],
            "policies": [_policy(vhost)],
            "exchanges": [each | {"auto_delete": False, "internal": False, "arguments": {}} for each in exchanges],
            "queues": [each | {"auto_delete": False} for each in queues],
            "bindings": [_binding(vhost, queue, each) for queue, types in QUEUES.items() for each in types],
        },
        indent=1,
    )


def _policy(vhost: str) -> dict[str, Any]:
    its = {"name": "waywarden", "vhost": vhost, "pattern": OURS, "priority": 0}
    return its | {"apply-to": "queues", "definition": DELIVERY_LIMIT}


def _named(name: str, vhost: str) -> dict[str, Any]:
    return {"name": name, "vhost": vhost, "durable": True}


def _user(name: str, password: str) -> dict[str, Any]:
    """The hash is that of RabbitMQ's guide "Credentials and Passwords"."""
    salt = os.urandom(4)
    hashed = b64encode(salt + sha256(salt + password.encode()).digest()).decode()
    tags = "administrator" if name == ADMINISTRATOR else ""
    return {
        "name": name, "tags": tags, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256",
    }  # fmt: skip


def _binding(vhost: str, queue: str, event: Any) -> dict[str, Any]:
    return {
        "source": exchange_of(event.service), "vhost": vhost, "destination": queue, "destination_type": "queue",
        "routing_key": event.event_type, "arguments": {},
    }  # fmt: skip
