"""The broker between accept and store. Only the scheme of CELERY_BROKER_URL chooses it.

`base` says what the service needs from a broker; each broker has a module of its own. Redis is the
fast choice, and the measured figures are of Redis.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import kombu.exceptions
from django.conf import settings
from kombu.utils.uuid import uuid
from redis.exceptions import RedisError

from config.brokers import rabbitmq, redis
from config.brokers.base import Broker
from config.celery import app
from config.environment import broker_urls

# The errors by which a broker shows that it is away, or does not take a message.
ERRORS = (kombu.exceptions.OperationalError, RedisError, *rabbitmq.ERRORS, OSError)

_BROKERS: dict[broker_urls.Name, Broker] = {"redis": redis, "rabbitmq": rabbitmq}


def current() -> Broker:
    return _BROKERS[broker_urls.name_of(settings.CELERY_BROKER_URL)]


def send(
    task: str,
    args: Sequence[Any] = (),
    *,
    headers: Mapping[str, Any] | None = None,
    expires: float | None = None,
) -> None:
    """Send a task; returns when the broker has it. Raises one of ERRORS within seconds.

    It sends what `apply_async` sends, without the parts that take two thirds of its time (routing,
    options and signals), without retries, and without closing messages to a broker that does not
    answer. The texts for Flower's list of arguments are left out: they cost more than the rest.
    """
    queue = app.amqp.queues[app.conf.task_default_queue]
    message = app.amqp.as_task_v2(
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
    current().publish(message.body, about_message)
