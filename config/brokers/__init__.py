"""The broker between accept and store, chosen by the scheme of CELERY_BROKER_URL alone.

`base` says what the service asks of one; each has a module of its own. Redis is the fast way that
the figures are of.
"""

import kombu.exceptions
from amqp.exceptions import AMQPError
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from config.brokers import rabbitmq, redis
from config.brokers.base import Broker

# By which a broker says that it is away, or does not take a message.
ERRORS = (kombu.exceptions.OperationalError, RedisError, AMQPError, OSError)

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
