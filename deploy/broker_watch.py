"""Whether a broker that lives also takes events, found by sending it one; and what is done where it does not.

After a full disk RabbitMQ can go on without the process that writes its quorum queues: it answers and consumes no
memory to speak of, no alarm stands, and it keeps nothing until it is started anew.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from typing import Any

import amqp
from amqp.exceptions import AMQPError, ChannelError, MessageNacked

from deploy.servers import RabbitMQ

EVERY_S = 10.0
DEADLINE_S = 60.0  # a disk that is busy may take long
ROW = 3  # so often in a row
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 1_800.0  # from one start to the next where starting does not help
CONNECT_S = 5.0
NO_ROUTE = 312
ARGUMENTS = {"x-queue-type": "quorum", "x-max-length": 0, "x-expires": 3_600_000}
WELL = "{true,[]}"


class Answer(StrEnum):
    """What came of an event that was sent to a queue of the asker's own."""

    TAKES = "takes events"
    BLOCKED = "short of memory or disk"
    REFUSES = "keeps no events"
    SILENT = "confirms no events"
    AWAY = "not answering"


class _Blocked(Exception):
    """The broker says so itself."""


def ask(broker: RabbitMQ, queue: str, deadline_s: float) -> Answer:
    """Send an event to a small quorum queue, which is declared when it is not there, and wait for the confirm."""
    try:
        connection = _connect(broker)
    except (OSError, AMQPError):
        return Answer.AWAY
    with closing(_HungUp(connection)):
        try:
            connection.transport.sock.settimeout(deadline_s)
            _send(connection.channel(), queue, deadline_s)
        except _Blocked:
            return Answer.BLOCKED
        except (MessageNacked, AMQPError):
            return Answer.REFUSES
        except TimeoutError:
            return Answer.SILENT
        except OSError:
            return Answer.AWAY
        return Answer.TAKES


def _connect(broker: RabbitMQ) -> amqp.Connection:
    def blocked(reason: str) -> None:
        raise _Blocked(reason)

    user, password = broker.credentials
    connection = amqp.Connection(
        f"127.0.0.1:{broker.port}", user, password, connect_timeout=CONNECT_S, on_blocked=blocked
    )
    connection.connect()
    return connection


class _HungUp:
    """Closes without a word: a broker that stands still is not waited for."""

    def __init__(self, connection: amqp.Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        self.connection.collect()


def _send(channel: Any, queue: str, deadline_s: float) -> None:
    try:
        _publish(channel, queue, deadline_s)
    except ChannelError as returned:
        if returned.reply_code != NO_ROUTE:
            raise
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=ARGUMENTS)
        _publish(channel, queue, deadline_s)


def _publish(channel: Any, queue: str, deadline_s: float) -> None:
    channel.basic_publish_confirm(amqp.Message(b""), "", queue, mandatory=True, confirm_timeout=deadline_s)


class BrokerWatch:
    """Asks every few seconds, on a thread of its own, and ends a broker that takes nothing though it could.

    ``end`` is told why; whoever supervises the broker starts it again. One that is blocked by an alarm, starts, or is
    slow is left alone: it must refuse or keep silent several times in a row, while it says of itself that it is up and
    that no alarm stands.
    """

    def __init__(
        self,
        broker: RabbitMQ,
        end: Callable[[str], object],
        *,
        ask: Callable[[RabbitMQ, str, float], Answer] = ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.broker, self.end, self.ask, self.clock = broker, end, ask, clock
        self.row = self.ended = 0
        self.due = self.pause_s = 0.0
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="broker watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                self.look()
            except Exception:  # whatever it is, nothing was found out
                self.row = 0

    def look(self) -> None:
        """One question, and what follows from it."""
        # Another name after each end: a queue that was made in bad times may stay bad.
        answer = self.ask(self.broker, f"supervision.{self.ended}", DEADLINE_S)
        if answer in (Answer.TAKES, Answer.BLOCKED):
            self.row = 0
        elif answer is not Answer.AWAY:  # which tells nothing of what it would take
            self.row += 1
        if answer is Answer.TAKES and self.clock() >= self.due:
            self.due = 0.0
        if self.row >= ROW and self.clock() >= self.due and self._could():
            self.end(f"it lives and {answer}, {self.row} times in a row, and no alarm stands")
            self._rest()

    def _rest(self) -> None:
        self.row, self.ended = 0, self.ended + 1
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S) if self.due else FIRST_PAUSE_S
        self.due = self.clock() + self.pause_s

    def _could(self) -> bool:
        """By its own word it is up, and nothing keeps it from taking events."""
        try:
            said = self.broker.ctl("--timeout", "20", "eval", "{rabbit:is_running(), rabbit_alarm:get_alarms()}.")
        except (OSError, subprocess.SubprocessError):
            return False
        return "".join(said.split()) == WELL
