"""After how many deliveries the broker drops a message, found by trying: a client of AMQP cannot ask for it."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import Any
from uuid import uuid4

import eventlet
from kombu import Connection, Queue
from prometheus_client import Gauge

from shared import logs
from shared.events.queues import exchange_of
from shared.messaging import connect, open_channel
from shared.settings import Settings

TRIED = 25  # more than the 20 that version 4 stops at by itself
DROPPED_AFTER_S = 2.0  # what is not there again by then is gone
AGAIN_AFTER_S = 10

log = logs.get(__name__)
LIMIT = Gauge(
    "waywarden_broker_delivery_limit",
    "Deliveries to no effect after which the broker drops an event, as tried at start; +Inf: more than 25.",
    ["service"],
)


def watch(settings: Settings) -> None:
    """Try it for each service of this process as soon as the broker is there, and tell; beside everything else."""
    if not settings.embedded:
        for service in settings.services:
            eventlet.spawn(_tell, settings.broker_url, service)


def _tell(url: str, service: str) -> None:
    while True:
        try:
            limit = delivery_limit(url, service)
        except Exception as wrong:
            log.info("delivery limit not known yet", service=service, error=repr(wrong))
            eventlet.sleep(AGAIN_AFTER_S)
            continue
        LIMIT.labels(service).set(limit)
        if limit <= TRIED:
            log.warning("the broker drops events", service=service, after_deliveries=limit)
        return


def delivery_limit(url: str, service: str) -> float:
    """How often a message of a queue of the service can come back before it is dropped; infinite: more than TRIED."""
    name = f"{service}.trial-{uuid4().hex[:12]}"
    with connect(url) as connection, closing(open_channel(connection, service)) as channel:
        queue = Queue(name, queue_arguments={"x-queue-type": "quorum", "x-expires": 60_000})(channel)
        queue.declare()
        try:
            queue.bind_to(exchange_of(service), routing_key=name)
            channel.basic_publish_confirm(channel.prepare_message(b""), exchange_of(service), name)
            return next((float(tries) for tries in range(TRIED) if not _comes_back(connection, name)), math.inf)
        finally:
            queue.delete()


def _comes_back(connection: Connection, name: str) -> bool:
    """Fetch the message and go away without an ack, as a reader does that dies."""
    with closing(connection.channel()) as channel:
        return _fetched(channel, name)


def _fetched(channel: Any, name: str) -> bool:
    deadline = time.monotonic() + DROPPED_AFTER_S
    while not channel.basic_get(name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
