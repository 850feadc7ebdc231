"""Kombu's Redis transport without its gap, and with many messages at a time.

Kombu pops a message (BRPOP) and only then records it as unacknowledged. If a worker is killed,
stops or loses its connection in between, the message is lost. A message that lies unread in the
worker's socket is lost too. Here a message moves to a second list (BLMOVE). A script records it and
removes it from that list in one step. If a message stays in that list, the next search for
abandoned messages records it. So a message taken off the queue is always in some key.

Redis answers after an fsync. For each message Kombu waits for three of them: to take it, to record
it and to acknowledge it. The worker does nothing else meanwhile. Here the script also takes more
messages off the queue, and a batch is acknowledged at once.

This module overrides private methods. So requirements.txt pins kombu, and
`tests/config/brokers/test_broker.py` checks every moment of a message's way. `redis_load` asks how
full the queue is.
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
from kombu.transport import redis as stock
from kombu.transport import virtual
from redis.exceptions import RedisError, ResponseError

from config.brokers import redis_messages
from config.brokers.redis_load import load, ping, waiting
from config.celery import app

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
# Limits of one script call. Redis serves no other client meanwhile: 3 ms for this many small
# messages, 40 ms for this many bytes.
_TAKE_AT_MOST = 20
_TAKE_BYTES = 1_000_000
# What Celery says of a message beside its headers.
_PROPERTIES = ("correlation_id", "reply_to")
_TAKEN = "{queue}.taken"
_ASIDE = "{queue}.taken.unreadable"


class QoS(stock.QoS):
    """The messages that were delivered and not yet acknowledged, in Redis."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """If the channel has `noted` the tag, Redis has the message as unacknowledged already."""
        if delivery_tag in self.channel.noted:
            self.channel.noted.discard(delivery_tag)
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack_many(self, delivery_tags: Sequence[str]) -> None:
        """Acknowledge at once. Raises the errors of Redis.

        After an error some messages may come back, but none of them takes up prefetch for ever.
        """
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
        """Put back messages that were not acknowledged in time.

        First record the messages that were only taken off a queue: their time begins now.
        """
        with self.channel.conn_or_acquire() as client:
            adopt = client.register_script(_TAG_OF + _ADOPT)
            for queue in self.channel.active_queues:
                keys = [_TAKEN.format(queue=queue), self.unacked_key, self.unacked_index_key]
                try:
                    adopt(keys=keys, args=[queue, time()])
                except ResponseError:
                    # Go on, whatever is in that list: the messages of vanished workers have to come
                    # back.
                    logger.exception("the messages that were taken off %s can't be read", queue)
        super().restore_visible(*args, **options)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Put a message back. If it can't be read it is set aside, so that others can come back."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (RedisError, OSError):
            raise
        except Exception:
            logger.exception("a message that nobody acknowledged can't be read")
            with self.channel.conn_or_acquire(client) as found, found.pipeline() as pipe:
                if item := found.hget(self.unacked_key, tag):
                    pipe.rpush(_ASIDE.format(queue=self.unacked_key), item)
                pipe.hdel(self.unacked_key, tag)
                pipe.zrem(self.unacked_index_key, tag)
                pipe.execute()


class Channel(stock.Channel):
    """Takes from one queue at a time. Queues take turns; an empty queue's turn lasts a second."""

    QoS = QoS

    def __init__(self, *args: Any, **options: Any) -> None:
        # Tags of messages on their way to a consumer. Redis has them as unacknowledged.
        self.noted: set[str] = set()
        self._unconfirmed: set[str] = set()
        # The queue that is being asked, and whether its messages are lost if this process ends.
        self._source, self._is_unconfirmed = "", False
        self._client_of_pool: Any = None
        super().__init__(*args, **options)

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Keep one client: Kombu makes one per command, which takes longer than the command."""
        if asynchronous:
            return super()._create_client(asynchronous)
        if getattr(self._client_of_pool, "connection_pool", None) is not self.pool:
            self._client_of_pool = super()._create_client()
        return self._client_of_pool

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:
        # Messages with `no_ack` are not recorded. They are replies, and are lost together with the
        # process that waits for them.
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
            # The next poll connects again.
            connection.disconnect()
            raise
        return item

    def _messages(self, item: bytes) -> list[Any]:
        """The message that was taken and some of those behind it, all recorded in Redis."""
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
        """Keep an item that Celery did not write, for a person. `tag` is its tag if recorded."""
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
        """Record a message as unacknowledged, and take as many more as this consumer may hold.

        Returns the tag and the text of each of the others.
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


def publish(body: Any, message: Mapping[str, Any]) -> None:
    """Returns when Redis has the message; it is on disk if Redis is set up so.

    Kombu's producer writes the same and takes several times as long. The client does not send it a
    second time, so after an error the message may be on the queue, but not twice.
    """
    queue = message["routing_key"]
    properties = {name: message[name] for name in _PROPERTIES}
    item = redis_messages.written(
        body, queue=queue, headers=message["headers"], properties=properties
    )
    with (
        app.producer_pool.connections.acquire_channel(block=True) as (_, channel),
        channel.conn_or_acquire() as client,
    ):
        client.lpush(queue, item)


def acknowledge(messages: Sequence[Message]) -> None:
    """At once if the transport can. A failure is logged, and the messages come back."""
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
