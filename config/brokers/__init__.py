"""The broker between accept and store, chosen by the scheme of CELERY_BROKER_URL alone.

`base` says what the service asks of one; each has a module of its own. Redis is the fast way that
the figures are of.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import kombu.exceptions
from celery import current_app
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu.messaging import Producer
from kombu.utils.uuid import uuid
from redis.exceptions import RedisError

from config.brokers import rabbitmq, redis
from config.brokers.base import Broker

# By which a broker says that it is away, or does not take a message.
ERRORS = (kombu.exceptions.OperationalError, RedisError, *rabbitmq.ERRORS, OSError)

_BY_SCHEME: dict[str, Broker] = {
    "redis": redis,
    "rediss": redis,
    "amqp": rabbitmq,
    "amqps": rabbitmq,
}
_KAFKA = (
    "CELERY_BROKER_URL: Kafka is not supported. Celery's transport for it commits the offset of "
    "all that was read when one message is acknowledged, so that what a killed worker held is "
    "lost, and it does not hear of a message that Kafka refused (docs/adr/0003-brokers.md)"
)


def of(url: str) -> Broker:
    """The broker that a URL names. Raises ImproperlyConfigured."""
    scheme = url.partition("://")[0].lower()
    if "kafka" in scheme:
        raise ImproperlyConfigured(_KAFKA)
    if scheme not in _BY_SCHEME:
        known = ", ".join(f"{known}://" for known in _BY_SCHEME)
        raise ImproperlyConfigured(f"CELERY_BROKER_URL must start with one of {known}")
    return _BY_SCHEME[scheme]


def install() -> None:
    """Have kombu use our transports."""
    for broker in (redis, rabbitmq):
        broker.install()


def current() -> Broker:
    return of(settings.CELERY_BROKER_URL)


def send(
    producer: Producer,
    task: str,
    args: Sequence[Any] = (),
    *,
    headers: Mapping[str, Any] | None = None,
    expires: float | None = None,
) -> None:
    """Returns when the broker has the task. Raises one of ERRORS, at the latest after seconds.

    What `apply_async` sends, without its routing, options and signals, which take two thirds of its
    time, and without its tries and the farewells to a broker that does not answer.
    The texts for Flower's list of arguments are left out; making them costs more than the rest.
    """
    queue = current_app.amqp.queues[current_app.conf.task_default_queue]
    message = current_app.amqp.as_task_v2(
        uuid(), task, args=args, expires=expires, argsrepr="", kwargsrepr=""
    )
    about_message = {
        "headers": {**message.headers, **(headers or {})},
        "exchange": "",
        "routing_key": queue.name,
        "declare": [queue],
        "serializer": "json",
        **message.properties,
    }
    current().publish(producer, message.body, about_message)
