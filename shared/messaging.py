"""Events to and from the broker, in batches. The broker is RabbitMQ, or ``memory://`` where all runs in one process.

What a reader must know: what arrived while a batch was handled is the next batch, of up to 500 events: one transaction
(claim, handler, commit) and then one ack. When a handler fails, its batch is done again one by one, and only the
culprit is parked (inbox.py), with whatever it holds in a form that can be stored. When the database was lost the batch
is held, unacked, and tried again until it is back; only what loses it time and again, while it takes other things, is
parked as well.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import eventlet
from amqp import AccessRefused, serialization, spec
from eventlet.queue import LightQueue
from kombu import Connection, Exchange, Queue
from nameko.extensions import Entrypoint, SharedExtension
from prometheus_client import Gauge
from sqlalchemy import Row, delete, false, text

from shared import db, failpoints, inbox, logs, workers
from shared.envelope import Unreadable, unseal
from shared.events import Event
from shared.events.queues import QUEUES, SERVICES, exchange_of, subscribers_of
from shared.inbox import Message
from shared.loops import Loop
from shared.settings import MEMORY, Settings

BATCH = 500  # events in one transaction
REST_S = 0.02  # after a batch that was not full
UNHURRIED_S = 0.2  # the same, where nobody waits for it: fewer and larger batches
OPEN_S = 15  # to connect and declare everything
SEND_S = 10  # to send a batch, and again to have it confirmed
LISTEN_S = 1.0
HANG_UP_S = 1
PIECE = 32_768  # bytes read or written at once
DATABASE_PAUSE_S = 0.5
HOLDS = 5  # times in a row that the same events may lose the database before they are suspected
LOCK_ALONE = "300ms"  # to wait for a lock when events are done one by one, and others wait behind
LOOK_EVERY_S = 1.0  # for parked events that are due
RETRY_ANYWAY_S = 60.0
PARK_AT = 10  # deliveries that came to nothing: RabbitMQ 4 drops a message after 20 unless a policy says otherwise
REMEMBERED_S = 900
END = None  # after the last message of a connection
_bound: set[str] = set()  # the broker's users of whom it is known that they may only what one service needs

log = logs.get(__name__)
DELIVERIES = Gauge(
    "waywarden_event_deliveries_highest",
    "How often the broker delivered an event before to no effect: the highest of the last 15 minutes.",
    ["queue"],
)


def connect(url: str, **more: Any) -> Connection:
    """A connection of one's own: a channel of one's own on a shared one would share its socket's fate."""
    if url == MEMORY:
        return Connection(url, transport_options={"polling_interval": 0.02})
    return Connection(url, heartbeat=30, connect_timeout=5, transport_options={"confirm_publish": False, **more})


def hang_up(connection: Connection) -> None:
    """Close a connection; a broker that stands still is not waited for."""
    with eventlet.Timeout(HANG_UP_S, False), suppress(Exception):
        connection.release()
        return
    with suppress(Exception):
        connection.collect()


def declare(channel: Any, service: str | None = None) -> None:
    """Declare the whole manifest, so that no event is published before every reader's queue is bound.

    With a ``service`` only its own part; the rest must be there. Raises NotFound.
    """
    exchanges = {name: Exchange(exchange_of(name), type="topic", durable=True) for name in SERVICES}
    for name, exchange in exchanges.items():
        exchange(channel).declare(passive=service not in (None, name))
    for name, types in QUEUES.items():
        queue = Queue(name, durable=True, queue_arguments={"x-queue-type": "quorum"})(channel)
        foreign = service not in (None, name.partition(".")[0])
        queue.queue_declare(passive=foreign)
        for each in types if not foreign else ():
            queue.bind_to(exchanges[each.service], routing_key=each.event_type)


def open_channel(connection: Connection, service: str) -> Any:
    """A channel on which everything is declared: by us, or, where we have the rights of one service, by others too."""
    if connection.userid not in _bound:
        try:
            declare(channel := connection.channel())
            return channel
        except AccessRefused:
            _bound.add(connection.userid)
    declare(channel := connection.channel(), service)
    return channel


class Unconfirmed(Exception):
    """The broker did not confirm a batch in time, or we stop."""


class Publisher:
    """Publishes batches of outbox rows on one channel and collects their confirms."""

    def __init__(self, url: str, service: str) -> None:
        self.confirms = url != MEMORY
        self.blocked = self.stopping = False
        self.connection = connect(url, on_blocked=self._block, on_unblocked=self._unblock)
        self._tag = self._before = 0
        self._unconfirmed: set[int] = set()
        self._refused: set[str] = set()
        try:
            with eventlet.Timeout(OPEN_S, TimeoutError("The broker does not answer.")):
                self.channel = open_channel(self.connection, service)
                if self.confirms:
                    self._collect()
        except BaseException:
            self.close()
            raise

    def _collect(self) -> None:
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._confirmed)
        self.channel.events["basic_nack"].add(self._nacked)
        self.channel.events["basic_return"].add(self._returned)

    def publish(self, rows: Sequence[Row[Any]], waiting: Callable[[], object] = lambda: None) -> set[str]:
        """Send outbox rows; return the event ids that found no queue. Raises what the connection raises.

        While the broker says that it takes nothing, ``waiting`` is called every now and then, for as long as it lasts.
        """
        self._refused.clear()
        self._before = self._tag
        with eventlet.Timeout(SEND_S, Unconfirmed()), _sent_together(self.connection, self.confirms):
            for row in rows:
                self._publish(row)
        deadline = time.monotonic() + SEND_S
        while self._unconfirmed:
            if self.stopping or time.monotonic() > deadline:
                raise Unconfirmed(f"{len(self._unconfirmed)} events are not confirmed.")
            if self.blocked:
                waiting()
                deadline = time.monotonic() + SEND_S
            self._hear()
        return set(self._refused)

    def confirmed(self, rows: Sequence[Row[Any]]) -> list[int]:
        """Which of the rows given last the broker has in a queue, or nobody wants, by their ids."""
        sent = zip(range(self._before + 1, self._tag + 1), rows, strict=False)
        return [r.id for tag, r in sent if tag not in self._unconfirmed and str(r.event_id) not in self._refused]

    def _hear(self) -> None:
        """What the broker says next, if anything within a second."""
        try:
            self.connection.connection.blocking_read(LISTEN_S)
        except TimeoutError:
            self.connection.heartbeat_check()

    def _publish(self, row: Row[Any]) -> None:
        message = self.channel.prepare_message(
            row.body.encode(),
            content_type="application/cloudevents+json",
            content_encoding="utf-8",
            headers={"request_id": row.request_id or ""},
            properties={"delivery_mode": 2, "message_id": str(row.event_id)},
        )
        exchange = exchange_of(row.event_type.partition(".")[0])
        if self.confirms:
            self._tag += 1
            self._unconfirmed.add(self._tag)
            wanted = bool(_has_subscribers(row.event_type))  # one that nobody of ours hears may find no queue
            # basic_publish would first look whether the broker has said anything: a system call an event.
            self.channel.send_method(spec.Basic.Publish, "Bssbb", (0, exchange, row.event_type, wanted, False), message)
        else:
            self.channel.basic_publish(message, exchange, row.event_type)

    def beat(self) -> None:
        """Keep the connection alive, and learn whether it is: the broker's own heartbeats must be read to count."""
        with suppress(TimeoutError):
            self.connection.drain_events(timeout=0.001)
        self.connection.heartbeat_check()

    def close(self) -> None:
        hang_up(self.connection)

    def _block(self, _reason: object) -> None:
        log.warning("the broker takes no events: is it short of memory or disk?")
        self.blocked = True

    def _unblock(self) -> None:
        log.warning("the broker takes events again")
        self.blocked = False

    def _confirmed(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {each for each in self._unconfirmed if each > tag}
        else:
            self._unconfirmed.discard(tag)

    def _nacked(self, tag: int, multiple: bool) -> None:
        raise ConnectionError("The broker could not keep an event.")

    def _returned(self, _exc: Exception, _exchange: str, _key: str, message: Any) -> None:
        self._refused.add(message.properties["message_id"])


@contextmanager
def _sent_together(connection: Connection, over_a_socket: bool) -> Iterator[None]:
    """Send in large pieces what is written within the block: py-amqp calls the socket for each message."""
    if not over_a_socket:
        yield
        return
    transport, written = connection.connection.transport, bytearray()
    send = transport._write

    def collect(frames: bytes) -> None:
        written.extend(frames)
        if len(written) >= PIECE:
            send(bytes(written))
            written.clear()

    transport._write = collect
    try:
        yield
        send(written)
    finally:
        transport._write = send


@functools.cache
def _has_subscribers(event_type: str) -> bool:
    return bool(subscribers_of(event_type))


Handler = Callable[[Any, Any, list[Any]], None]
Claim = Callable[[Any], list[Event]]
Read = tuple[Message, Event | Exception]


def on(queue: str, *, rest_s: float = REST_S) -> Callable[[Handler], Callable[[Any, Claim], None]]:
    """Let a method ``(self, session, events)`` handle the events of a queue of the manifest, in batches.

    It is called with a list, inside one write transaction, and either does all of it or raises. ``rest_s`` passes
    after each batch that was not full: what nobody waits for costs less in larger ones.
    """

    def decorate(method: Handler) -> Callable[[Any, Claim], None]:
        @functools.wraps(method)
        def handle(service: Any, claim: Claim) -> None:
            with service.db.begin() as session:
                if events := claim(session):
                    method(service, session, events)
            failpoints.pass_by("event-handled")

        return EventConsumer.decorator(queue, rest_s=rest_s)(workers.contained(handle))  # type: ignore[no-any-return]

    return decorate


class Parked(SharedExtension):  # type: ignore[misc]
    """Wakes the readers whose parked events are due: one look for all queues of a service costs as much as for one."""

    def __init__(self) -> None:
        self.readers: dict[str, EventConsumer] = {}

    def start(self) -> None:
        self.loop = Loop(self.container, "looking for parked events", self._look)

    def stop(self) -> None:
        self.loop.stop()

    def _look(self) -> float:
        config = self.container.config
        with config["databases"][self.container.service_name].look() as session:
            for queue in self.readers.keys() & inbox.due_queues(session, config["settings"].retry_delays_s):
                self.readers[queue].retrying.wake()
        return LOOK_EVERY_S


class EventConsumer(Entrypoint):  # type: ignore[misc]
    """Consumes one queue on a connection of its own, and tries its parked events again."""

    parked = Parked()

    def __init__(self, queue: str, *, rest_s: float = REST_S, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if queue not in QUEUES:
            raise TypeError(f"{queue} is not in the manifest, shared/events/queues.py.")
        self.queue, self.rest_s = queue, rest_s

    def setup(self) -> None:
        self.settings: Settings = self.container.config["settings"]
        self.database = self.container.config["databases"][self.container.service_name]
        self.parked.readers[self.queue] = self
        self.highest = 0, 0.0  # deliveries, when
        DELIVERIES.labels(self.queue).set_function(self._deliveries)

    def start(self) -> None:
        self.consuming = Loop(self.container, f"consuming {self.queue}", self._consume)
        self.retrying = Loop(self.container, f"retrying {self.queue}", self._retry)

    def stop(self) -> None:
        """Finish the batch in hand; what was fetched beyond it goes back to the broker."""
        for loop in (self.consuming, self.retrying):
            loop.stop()

    def _consume(self) -> float:
        with self.database.begin() as session:
            session.execute(delete(inbox.inbox).where(false()))  # what nobody can write down must not be fetched
        connection = connect(self.settings.broker_url)
        try:
            self._consume_from(connection)
        finally:
            hang_up(connection)
        return 0

    def _deliveries(self) -> int:
        count, at = self.highest
        return count if time.monotonic() - at < REMEMBERED_S else 0

    def _consume_from(self, connection: Connection) -> None:
        """Fetch messages, while another greenlet settles those that came before."""
        arrived = LightQueue()
        forgets = self.settings.embedded  # then the outbox row itself waits for our inbox, and acks mean nothing
        with eventlet.Timeout(OPEN_S, TimeoutError("The broker does not answer.")):
            channel = open_channel(connection, self.container.service_name)
            channel.basic_qos(0, 2 * BATCH, False)
            if not forgets:
                _read_ahead(connection)
                _read_any_key(channel)
            channel.basic_consume(self.queue, no_ack=forgets, callback=arrived.put, consumer_tag=self.queue)
        settling = eventlet.spawn(self._settle_batches, arrived, None if forgets else channel)
        try:
            while not self.consuming.stopping and not settling.dead:
                _fetch(connection)
        finally:
            arrived.put(END)
            settling.wait()

    def _settle_batches(self, arrived: LightQueue, channel: Any | None) -> None:
        while not self.consuming.stopping and (batch := _batch(arrived)):
            self._settle(batch)
            if channel:
                channel.basic_ack(batch[-1].delivery_tag, multiple=True)
            time.sleep(rest(len(batch), self.rest_s))

    def _settle(self, batch: list[Any]) -> None:
        """Have every message of the batch handled or parked, however long that takes."""
        messages = [_read(self.queue, each) for each in batch]
        self._note_deliveries(max(map(deliveries, batch)))
        self.held = 0
        while not self.consuming.stopping:
            try:
                self._handle_or_park(messages)
                return
            except Exception as down:
                log.warning("database down, holding events", queue=self.queue, held=len(batch), error=_told(down))
                self.held += 1
                self.consuming.stopped.wait(DATABASE_PAUSE_S)
        raise ConnectionAbortedError("Stopping: the batch goes back to the broker.")

    def _note_deliveries(self, count: int) -> None:
        if count >= self._deliveries():
            self.highest = count, time.monotonic()

    def _handle_or_park(self, messages: list[Read]) -> None:
        for message, wrong in messages:
            if isinstance(wrong, Exception):
                self._park(message, wrong, dead=isinstance(wrong, Unreadable) and wrong.event_id is None)
        events = {m.event_id: event for m, event in messages if isinstance(event, Event)}
        readable = [m for m, event in messages if isinstance(event, Event)]
        if not readable or (failed := self._run(_fresh(self.queue, readable, events), readable)) is None:
            return
        self._hold(failed)
        for message in readable:
            if error := self._run(_fresh(self.queue, [message], events, LOCK_ALONE), [message]):
                self._park(message, error)

    def _hold(self, error: Exception) -> None:
        """Raises a loss of the database, unless it has been lost over these same events often."""
        if db.away(error) and self.held < HOLDS:
            raise error

    def _run(self, claim: Claim, messages: list[Message]) -> Exception | None:
        """Run the handler in a worker; return None, or what went wrong."""
        ids = ",".join(dict.fromkeys(m.request_id for m in messages if m.request_id))[:100]
        with logs.bound(request_id=ids, queue=self.queue):
            try:
                workers.run(self, (claim,))
            except Exception as failed:
                return failed
        return None

    def _park(self, message: Message, error: Exception, *, dead: bool = False) -> None:
        self._hold(error)
        tried, told = not db.busy(error), _told(error)
        next_at = None if dead else inbox.after(0, self.settings.retry_delays_s) if tried else inbox.soon()
        with self.database.begin() as session:
            inbox.park(session, self.queue, message, told, next_at, tries=int(tried))
        log.error("event parked", queue=self.queue, event_id=str(message.event_id), error=told, next_at=str(next_at))

    def _retry(self) -> float:
        """Try the parked event that is due the longest; at once look for another, or wait where there is none."""
        delays_s = self.settings.retry_delays_s
        with self.database.look() as session:
            message = inbox.due(session, self.queue, delays_s)
        if message is None:
            return RETRY_ANYWAY_S
        with self.database.begin() as session:
            mine = inbox.reserve(session, self.queue, message.event_id, delays_s)
        if mine and (error := self._run(_parked(self.queue, message), [message])):
            tried, told = not db.busy(error), _told(error)
            with self.database.begin() as session:
                next_at = inbox.postpone(session, self.queue, message.event_id, told, delays_s, tried=tried)
            log.error(
                "failed again", queue=self.queue, event_id=str(message.event_id), error=told, next_at=str(next_at)
            )
        return 0


def rest(events: int, seconds: float = REST_S) -> float:
    """Seconds to wait after a batch: what comes meanwhile is cheaper together; one that comes alone is not held up."""
    return 0 if events == BATCH else seconds


def _fetch(connection: Connection) -> None:
    """Wait up to half a second for a message."""
    try:
        connection.drain_events(timeout=0.5)
    except TimeoutError:
        connection.heartbeat_check()


def _batch(arrived: LightQueue) -> list[Any]:
    """What has arrived, as soon as there is anything; nothing at the end."""
    batch = [arrived.get()]
    while len(batch) < BATCH and not arrived.empty():
        batch.append(arrived.get())
    return [] if END in batch else batch


def _read_ahead(connection: Connection) -> None:
    """Have py-amqp read the socket in large pieces: left alone it asks it for each half of each frame."""
    transport = connection.connection.transport
    receive = transport._quick_recv

    def receive_much(_wanted: int) -> bytes:
        time.sleep(0)  # lets others run, however much there is to read
        return receive(PIECE)  # type: ignore[no-any-return]

    transport._quick_recv = receive_much


def deliveries(arrived: Any) -> int:
    """How often the broker delivered a message before without hearing that it was handled.

    On the first delivery it says nothing of it: what stands there then is a stranger's.
    """
    headers = (arrived.delivery_info.get("redelivered") and arrived.headers) or {}
    counts = (headers.get(name) for name in ("x-delivery-count", "x-acquired-count"))
    return max((each for each in counts if isinstance(each, int)), default=0)


def _read_any_key(channel: Any) -> None:
    """Have py-amqp take a delivery whose routing key is no text, at which it would end the connection each time."""
    dispatch = channel.dispatch_method

    def dispatch_any(method: Any, payload: bytes, content: Any) -> None:
        try:
            dispatch(method, payload, content)
        except UnicodeDecodeError:
            dispatch(method, _with_plain_names(payload), content)

    channel.dispatch_method = dispatch_any


def _with_plain_names(deliver: bytes) -> bytes:
    """A delivery: method (4 bytes), consumer's tag (with its length), number (8), flag (1), exchange, routing key."""
    exchange = 4 + 1 + deliver[4] + 9
    key = exchange + 1 + deliver[exchange]
    names = (deliver[exchange + 1 : key].decode("ascii", "replace"), deliver[key + 1 :].decode("ascii", "replace"))
    first, second = (each.replace("\N{REPLACEMENT CHARACTER}", "?").encode() for each in names)
    return deliver[: exchange + 1] + first + deliver[key : key + 1] + second


def _any_properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """What a stranger put into the header may not be readable, such as a time in the year 99999."""
    try:
        return serialization.decode_properties_basic(buffer, offset)  # type: ignore[no-any-return]
    except Exception:
        return {}, offset


serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = _any_properties


def _told(error: Exception) -> str:
    return db.storable(workers.told(error))[:2000]


def _read(queue: str, arrived: Any) -> Read:
    """The message, and its event or why there is none; whatever a stranger put into it, it can be stored."""
    event_type, body = db.storable(str(arrived.delivery_info.get("routing_key"))), arrived.body or ""
    words = db.storable(body if isinstance(body, str) else bytes(body).decode("utf-8", "replace"))
    request_id = (arrived.headers or {}).get("request_id")
    known = (db.storable(request_id)[:100] if isinstance(request_id, str) else "") or None
    try:
        event_id, event = unseal(event_type, words)
        if event_type not in {each.event_type for each in QUEUES[queue]}:
            raise Unreadable(f"{event_type} is nothing for {queue}.", event_id)
    except Unreadable as unreadable:
        event_id = unreadable.event_id or uuid5(NAMESPACE_OID, words)
        return Message(event_id, event_type[:100], words, known), unreadable
    if (count := deliveries(arrived)) >= PARK_AT:
        futile = TimeoutError(f"Delivered {count} times to no effect: do its readers die of it?")
        return Message(event_id, event_type, words, known), futile
    return Message(event_id, event_type, words, known), event


def _fresh(queue: str, messages: Sequence[Message], events: dict[Any, Event], lock: str = "") -> Claim:
    """Claim arrived messages in the inbox; the events that nobody handled before."""

    def claim(session: Any) -> list[Event]:
        if lock and session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL lock_timeout = '{lock}'"))
        new = inbox.claim(session, queue, [m.event_id for m in messages])
        return [events[event_id] for event_id in dict.fromkeys(m.event_id for m in messages) if event_id in new]

    return claim


def _parked(queue: str, message: Message) -> Claim:
    """Take one parked message; nothing when another replica was faster, or it was handled under its own id."""

    def claim(session: Any) -> list[Event]:
        event_id, event = unseal(message.event_type, message.body)
        if not inbox.take(session, queue, message.event_id):
            return []
        new = event_id == message.event_id or inbox.claim(session, queue, [event_id])
        return [event] if new else []

    return claim
