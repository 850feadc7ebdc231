"""RabbitMQ: a quorum queue, on disk at every node that has it. Publishers wait until it is there.

Celery publishes without waiting. It treats a message as sent even if RabbitMQ returns or refuses
it. Here a message is sent when RabbitMQ has confirmed it. If that fails, the connection is never
used again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked, NotFound
from celery.utils.log import get_logger
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Producer
from kombu.transport import pyamqp

from config.brokers.base import Load, Waiting
from config.celery import app
from config.environment import broker_urls

logger = get_logger(__name__)

NAME = "rabbitmq"
# MessageNacked means that RabbitMQ refused a message. It is not an AMQPError.
ERRORS = (AMQPError, MessageNacked)
# From this version on, RabbitMQ by default drops a message that has come back 20 times.
_LIMITS_DELIVERIES = 4
# How many messages the mean weight is taken from.
_REMEMBERED = 20

# Nobody can look into RabbitMQ's queue. The messages that this process has sent stand for those on
# the queue.
_mean_weight = 1.0


class Channel(pyamqp.Channel):
    def queue_declare(self, queue: str = "", *, arguments: Any = None, **options: Any) -> Any:
        """Declare a queue that lasts as a quorum queue. If the queue exists, leave it as it is.

        RabbitMQ refuses to declare a queue again with other arguments, for example after an update.
        Celery can use quorum queues too, but adds 28 of its own.
        """
        lasts = options.get("durable") and not options.get("auto_delete")
        if options.get("passive") or not lasts:
            return super().queue_declare(queue, arguments=arguments, **options)
        if existing := self._existing(queue):
            return existing
        arguments = {**(arguments or {}), "x-queue-type": "quorum"}
        if self._throws_away():
            arguments["x-delivery-limit"] = -1
        return super().queue_declare(queue, arguments=arguments, **options)

    def _existing(self, queue: str) -> Any:
        """The queue, or None. Asks on a new channel: RabbitMQ closes it if there is no queue.

        A worker's own channel must stay open: it has the worker's limits. After any other failure
        the connection is dropped. The new channel is not closed then, as that would wait for
        RabbitMQ too.
        """
        look = self.connection.channel()
        try:
            found = look.queue_declare(queue, passive=True)
        except NotFound:
            found = None
        look.close()
        return found

    def _throws_away(self) -> bool:
        """Whether this RabbitMQ by default drops a message that comes back too often.

        While PostgreSQL is away a message comes back many times, and must not be dropped.
        """
        version = str(self.connection.server_properties.get("version", ""))
        return int(version.partition(".")[0] or 0) >= _LIMITS_DELIVERIES


class Connection(pyamqp.Connection):
    Channel = Channel


class Transport(pyamqp.Transport):
    """For `amqp://` and, with TLS, `amqps://`."""

    Connection = Connection

    def qos_semantics_matches_spec(self, connection: Any) -> bool:
        """Prefetch counts per consumer. Quorum queues know nothing else, and a worker has one."""
        return True


class SSLTransport(Transport, pyamqp.SSLTransport):
    """The same with TLS."""


def publish(body: Any, message: Mapping[str, Any]) -> None:
    """Returns when RabbitMQ has confirmed that the message is on the queue's disks.

    The first try fails if RabbitMQ was restarted since the connection was last used, if the queue
    is gone, or if it refused the message. This may be over by now. So there is a second try on a
    new connection, which declares the queue again. After a timeout there is no second try.
    """
    with app.producer_pool.acquire(block=True) as producer:
        try:
            _publish_once(producer, body, message)
        except TimeoutError:
            raise
        except (*ERRORS, OSError):
            _publish_once(producer, body, message)
    _remember(message["headers"].get("weight", 1))


def _publish_once(producer: Producer, body: Any, message: Mapping[str, Any]) -> None:
    try:
        producer.publish(
            body,
            retry=False,
            mandatory=True,
            timeout=broker_urls.PATIENCE_SECONDS,
            confirm_timeout=broker_urls.PATIENCE_SECONDS,
            **message,
        )
    except BaseException:
        _drop(producer)
        raise


def _drop(producer: Producer) -> None:
    """Drop the connection: a late confirmation would count as that of the next message."""
    connection: Any = producer.__connection__
    connection.collect()
    producer.revive(connection)


def _remember(weight: int) -> None:
    global _mean_weight  # noqa: PLW0603 - one mean a process
    _mean_weight += (weight - _mean_weight) / _REMEMBERED


def acknowledge(messages: Sequence[Message]) -> None:
    """Acknowledge messages. A failure is logged, and the messages come back to the queue."""
    try:
        for message in messages:
            message.channel.basic_ack(message.delivery_tag)
    except Exception:
        logger.exception("%d messages can't be acknowledged", len(messages))


def load(*, limit: int, largest: int) -> Load:
    """The waiting messages, times the mean weight of those that this process has sent lately.

    Messages that a worker holds are not counted: WORKER_PREFETCH and the number of workers limit
    them.
    """
    return Load(round(_messages() * max(1.0, _mean_weight)))


def waiting() -> Waiting:
    """The age is 0 if nothing waits, else None: RabbitMQ does not tell it."""
    messages = _messages()
    return Waiting(messages, None if messages else 0.0)


def ping() -> None:
    _messages()


def _messages() -> int:
    name = app.conf.task_default_queue
    queue: Queue = app.amqp.queues[name]
    with app.producer_pool.acquire(block=True) as producer:
        try:
            return int(queue(producer.channel).queue_declare().message_count)
        except BaseException:
            _drop(producer)
            raise
