"""Asks each process of a stack whether it works: one can live and answer nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from deploy.broker_watch import Answer, ask
from deploy.process import halted
from deploy.servers import RabbitMQ

if TYPE_CHECKING:
    from deploy.stack import Stack

DEADLINE_S = 5.0
SILENT, NOT_READY = "not answering", "not ready"


def troubles(stack: Stack, pids: Mapping[str, int | None]) -> dict[str, str]:
    """What ails each process that runs, by name; an empty text: nothing. All are asked at once."""
    asked = {name: ask_it for name, ask_it in _questions(stack).items() if pids.get(name)}
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        said = [pool.submit(each) for each in asked.values()]
        found = {name: each.result() for name, each in zip(asked, said, strict=True)}
    return found | {name: SILENT for name, pid in pids.items() if pid and halted(pid)}


def _questions(stack: Stack) -> dict[str, Callable[[], str]]:
    postgres, rabbitmq, proxy = stack.servers.postgres, stack.servers.rabbitmq, stack.proxy
    questions: dict[str, Callable[[], str]] = {
        postgres.name: lambda: "" if postgres.ready() else SILENT,
        rabbitmq.name: partial(_of_broker, rabbitmq),
        proxy.name: lambda: "" if status_of(proxy.port, "/docs") else SILENT,
    }
    for service, replicas in stack.services.items():
        for process, port in zip(replicas, stack.ports(service), strict=True):
            questions[process.name] = partial(_of_service, port)
    return questions


def _of_service(port: int) -> str:
    status = status_of(port, "/health/ready")
    if status == 200:
        return ""
    return NOT_READY if status or status_of(port, "/health/live") else SILENT


def _of_broker(broker: RabbitMQ) -> str:
    answer = ask(broker, "supervision.status", DEADLINE_S)
    return "" if answer is Answer.TAKES else answer.value


def status_of(port: int, path: str, within_s: float = DEADLINE_S) -> int | None:
    """Of the answer; None where there is none in time."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=within_s)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
