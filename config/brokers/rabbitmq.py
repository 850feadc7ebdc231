"""RabbitMQ: a quorum queue, on disk at every node that has it, and publishers that wait for it.

Celery publishes without waiting, and takes what RabbitMQ returns or refuses for sent. Here it is
sent once RabbitMQ has confirmed it, and a connection on which that failed is never used again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked, NotFound
from celery.utils.log import get_logger
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Producer
from kombu.transport import pyamqp

from config import broker_urls
from config.brokers.base import Load, Waiting
from config.celery import app

logger = get_logger(__name__)

NAME = "rabbitmq"
# py-amqp's way to say that RabbitMQ refused a message is none of its other errors.
ERRORS = (AMQPError, MessageNacked)
# From this version on a message may come back 20 times, unless told otherwise.
_LIMITS_DELIVERIES = 4
# Of how many messages the mean weight is.
_REMEMBERED = 20

# Nobody can look into RabbitMQ's queue: what this process has sent stands for what is on it.
_mean_weight = 1.0


class Channel(pyamqp.Channel):
    def queue_declare(self, queue: str = "", *, arguments: Any = None, **options: Any) -> Any:
        """What is to last is a quorum queue, unless it is there already: then as it was made.

        To declare it with other arguments would be refused, after an update of RabbitMQ say.
        Celery can have quorum queues too, but adds 28 of its own.
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
        """None if there is none: RabbitMQ then closes the channel, and a worker's has its limits.

        When it fails otherwise the connection goes; to close the channel would be waited for too.
        """
        look = self.connection.channel()
        try:
            found = look.queue_declare(queue, passive=True)
        except NotFound:
            found = None
        look.close()
        return found

    def _throws_away(self) -> bool:
        """A message comes back while PostgreSQL is away, however often: it must not be dropped."""
        version = str(self.connection.server_properties.get("version", ""))
        return int(version.partition(".")[0] or 0) >= _LIMITS_DELIVERIES


class Connection(pyamqp.Connection):
    Channel = Channel


class Transport(pyamqp.Transport):
    """For `amqp://` and, with TLS, `amqps://`."""

    Connection = Connection

    def qos_semantics_matches_spec(self, connection: Any) -> bool:
        """Prefetch counts by consumer: quorum queues know no other, and a worker has one."""
        return True


class SSLTransport(Transport, pyamqp.SSLTransport):
    """The same with TLS."""


def publish(producer: Producer, body: Any, message: Mapping[str, Any]) -> None:
    """Returns when RabbitMQ has confirmed that the message is on the queue's disks.

    It was restarted since the connection was last used, the queue is gone or refused the message:
    that says nothing of now, so a second try has a new connection, which makes the queue anew.
    """
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
    """A confirmation that comes late would be taken for that of the next message."""
    connection: Any = producer.__connection__
    connection.collect()
    producer.revive(connection)


def _remember(weight: int) -> None:
    global _mean_weight  # noqa: PLW0603 - one mean a process
    _mean_weight += (weight - _mean_weight) / _REMEMBERED


def acknowledge(messages: Sequence[Message]) -> None:
    """What fails is logged, and comes back to the queue."""
    try:
        for message in messages:
            message.channel.basic_ack(message.delivery_tag)
    except Exception:
        logger.exception("%d messages can't be acknowledged", len(messages))


def load(*, limit: int, largest: int) -> Load:
    """Messages that wait, times the mean weight of those this process has sent lately.

    Those with a worker are not counted: WORKER_PREFETCH and the number of workers bound them.
    """
    return Load(round(_messages() * max(1.0, _mean_weight)))


def waiting() -> Waiting:
    """Without an age, which nobody can ask RabbitMQ for, unless nothing waits."""
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
