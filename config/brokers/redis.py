"""Kombu's Redis transport without its gap, and many messages at a time.

Kombu pops a message (BRPOP) and only then writes it down as unacknowledged. Whatever is popped when
a worker is killed, stops or loses its connection in between is lost, as is what lies unread in its
socket. Here a message moves (BLMOVE) to a second list, and leaves that in the script that writes it
down; what stays there is written down by whoever looks for abandoned messages next. So a message
taken off the queue is never in no key.

Redis answers after an fsync. Kombu waits for three of them a message, while nothing else happens in
the worker: to take it, to write it down and to acknowledge it. Here the script takes what else is
on the queue along, and a batch is acknowledged as one.

It overrides private methods: requirements.txt pins kombu, and `tests/config/brokers/test_broker.py`
checks every moment of a message's way. How full the queue is asks `redis_load`.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from queue import Empty
from time import monotonic, time
from typing import Any

from celery.utils.log import get_logger
from kombu.message import Message
from kombu.messaging import Producer
from kombu.transport import redis as stock
from kombu.transport import virtual
from redis.exceptions import ResponseError

from config.brokers import redis_messages
from config.brokers.redis_load import load, ping, waiting

__all__ = [
    "NAME",
    "acknowledge",
    "load",
    "ping",
    "publish",
    "waiting",
]

logger = get_logger(__name__)

NAME = "redis"

_TAG_OF, _ADOPT, _TAKE = (
    Path(__file__).with_name(f"redis_{name}.lua").read_text()
    for name in ("tag_of", "adopt", "take")
)
# Redis serves nobody else while it takes them: 3 ms for as many small ones, 40 ms for the bytes.
_TAKE_AT_MOST = 20
_TAKE_BYTES = 1_000_000
_TAKEN = "{queue}.taken"
_ASIDE = "{queue}.taken.unreadable"


class QoS(stock.QoS):
    """What was delivered and not yet acknowledged, in Redis."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """What the channel has taken stands as unacknowledged in Redis already."""
        if delivery_tag in self.channel.noted:
            self.channel.noted.discard(delivery_tag)
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack_many(self, delivery_tags: Sequence[str]) -> None:
        """Raises what Redis raises; then some may come back, but none holds prefetch for ever."""
        try:
            with self.pipe_or_acquire() as pipe:
                pipe.zrem(self.unacked_index_key, *delivery_tags)
                pipe.hdel(self.unacked_key, *delivery_tags)
                pipe.execute()
        finally:
            for tag in delivery_tags:
                virtual.QoS.ack(self, tag)

    def ack(self, delivery_tag: str) -> None:
        self.ack_many([delivery_tag])

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Put back what was not acknowledged in time, and begin that time for what was taken."""
        with self.channel.conn_or_acquire() as client:
            adopt = client.register_script(_TAG_OF + _ADOPT)
            for queue in self.channel.active_queues:
                keys = [_TAKEN.format(queue=queue), self.unacked_key, self.unacked_index_key]
                try:
                    adopt(keys=keys, args=[queue, time()])
                except ResponseError:
                    # Whatever lies there, what vanished workers held has to come back.
                    logger.exception("what was taken off %s can't be looked through", queue)
        super().restore_visible(*args, **options)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """One that can't be read is set aside: others behind it have to come back."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (ValueError, TypeError, RecursionError):
            logger.exception("a message that nobody acknowledged can't be read")
            with self.channel.conn_or_acquire(client) as found, found.pipeline() as pipe:
                if item := found.hget(self.unacked_key, tag):
                    pipe.rpush(_ASIDE.format(queue=self.unacked_key), item)
                pipe.hdel(self.unacked_key, tag)
                pipe.zrem(self.unacked_index_key, tag)
                pipe.execute()


class Channel(stock.Channel):
    """Takes from one queue at a time: several are taken from in turn, a second each if empty."""

    QoS = QoS

    def __init__(self, *args: Any, **options: Any) -> None:
        # Tags of messages on their way to a consumer that Redis has as unacknowledged.
        self.noted: set[str] = set()
        self._unconfirmed: set[str] = set()
        # What is asked for at present, and whether it is lost with us.
        self._source, self._is_unconfirmed = "", False
        self._client_of_pool: Any = None
        super().__init__(*args, **options)

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Kombu makes a client for each command, which takes longer than the command."""
        if asynchronous:
            return super()._create_client(asynchronous)
        if getattr(self._client_of_pool, "connection_pool", None) is not self.pool:
            self._client_of_pool = super()._create_client()
        return self._client_of_pool

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:
        # Nobody writes such messages down: they are replies, lost with whom they were meant for.
        (self._unconfirmed.add if no_ack else self._unconfirmed.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **options)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(1)
        if not queues:
            return
        [self._source] = queues
        self._is_unconfirmed = self._source in self._unconfirmed
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()  # type: ignore[assignment]
        self.client.connection.send_command(*self._command(timeout or self.brpop_timeout))

    def _command(self, seconds: float) -> tuple[str | float, ...]:
        if self._is_unconfirmed:
            return ("BRPOP", self._source, seconds)
        return ("BLMOVE", self._source, _TAKEN.format(queue=self._source), "RIGHT", "LEFT", seconds)

    def _brpop_read(self, **options: Any) -> bool:
        if self._is_unconfirmed:
            return bool(super()._brpop_read(**options))
        try:
            item = self._moved(options)
            self._queue_cycle.rotate(self._source)
            if item is None:
                raise Empty
            for message in self._messages(item):
                self.connection._deliver(message, self._source)
            return True
        finally:
            self.noted.clear()
            self._in_poll = None  # type: ignore[assignment]
            self._flush_brpop_reauth()

    def _moved(self, options: dict[str, Any]) -> bytes | None:
        connection = self.client.connection
        try:
            item: bytes | None = self.client.parse_response(connection, "BLMOVE", **options)
        except self.connection_errors:
            # The next look connects anew.
            connection.disconnect()
            raise
        return item

    def _messages(self, item: bytes) -> list[Any]:
        """The message that was taken and some that were behind it, all of them written down."""
        if (first := redis_messages.read(item)) is None:
            self._set_aside(item)
            return []
        messages = [first]
        for tag, other in self._note(item, first["properties"]["delivery_tag"]):
            if (message := redis_messages.read(other)) is None:
                self._set_aside(other, tag)
            else:
                messages.append(message)
        self.noted.update(message["properties"]["delivery_tag"] for message in messages)
        return messages

    def _set_aside(self, item: bytes, tag: bytes | None = None) -> None:
        """For a person: no Celery wrote this. `tag` if it was noted."""
        logger.error("a message that can't be read was on the queue %s", self._source)
        taken = _TAKEN.format(queue=self._source)
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            pipe.rpush(_ASIDE.format(queue=self._source), item)
            pipe.lrem(taken, 1, item)
            if tag is not None:
                pipe.hdel(self.qos.unacked_key, tag)
                pipe.zrem(self.qos.unacked_index_key, tag)
            pipe.execute()

    def _note(self, item: bytes, tag: str) -> list[tuple[bytes, bytes]]:
        """Write a message down as unacknowledged and take more, as many as may be held.

        Answers the others' tags and themselves.
        """
        room = self.qos.can_consume_max_estimate()
        more = _TAKE_AT_MOST - 1 if room is None else max(0, min(room, _TAKE_AT_MOST) - 1)
        qos, taken = self.qos, _TAKEN.format(queue=self._source)
        with self.conn_or_acquire() as client:
            found: list[bytes] = client.register_script(_TAG_OF + _TAKE)(
                keys=[self._source, taken, qos.unacked_key, qos.unacked_index_key],
                args=[item, tag, time(), more, _TAKE_BYTES],
            )
        return list(zip(found[::2], found[1::2], strict=True))


class Transport(stock.Transport):
    """For `redis://` and `rediss://`."""

    Channel = Channel


def publish(producer: Producer, body: Any, message: Mapping[str, Any]) -> None:
    """Returns when Redis has the message, on disk where it is set up so."""
    producer.publish(body, retry=False, **message)


def acknowledge(messages: Sequence[Message]) -> None:
    """At once where the transport can. What fails is logged, and comes back to the queue."""
    for channel, group in groupby(messages, key=attrgetter("channel")):
        tags = [message.delivery_tag for message in group]
        try:
            if isinstance(channel, Channel):
                channel.qos.ack_many(tags)
            else:
                for tag in tags:
                    channel.basic_ack(tag)
        except Exception:
            logger.exception("%d messages can't be acknowledged", len(tags))
