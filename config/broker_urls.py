"""Which broker CELERY_BROKER_URL names, and how kombu is told to use it.

The settings of every process read this, so it imports neither kombu nor a client of a broker.
"""

from typing import Literal, TypeAlias

from django.core.exceptions import ImproperlyConfigured

Name: TypeAlias = Literal["redis", "rabbitmq"]

# RabbitMQ past that hangs, or takes nothing in because its disk or memory is nearly full.
PATIENCE_SECONDS = 5
_CONNECT_SECONDS = 2
_BY_SCHEME: dict[str, Name] = {
    "redis": "redis",
    "rediss": "redis",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
}
# Our transports, by the schemes for which kombu has its own.
TRANSPORTS = {
    "redis": "config.brokers.redis:Transport",
    "rediss": "config.brokers.redis:Transport",
    "amqp": "config.brokers.rabbitmq:Transport",
    "amqps": "config.brokers.rabbitmq:SSLTransport",
}
_KAFKA = (
    "CELERY_BROKER_URL: Kafka is not supported. Celery's transport for it commits the offset of "
    "all that was read when one message is acknowledged, so that what a killed worker held is "
    "lost, and it does not hear of a message that Kafka refused (docs/adr/0003-brokers.md)"
)


def name_of(url: str) -> Name:
    """The broker that a URL names. Raises ImproperlyConfigured."""
    scheme = url.partition("://")[0].lower()
    if "kafka" in scheme:
        raise ImproperlyConfigured(_KAFKA)
    if scheme not in _BY_SCHEME:
        known = ", ".join(f"{known}://" for known in _BY_SCHEME)
        raise ImproperlyConfigured(f"CELERY_BROKER_URL must start with one of {known}")
    return _BY_SCHEME[scheme]


def options(url: str, *, visibility_timeout: int) -> dict[str, object]:
    """Kombu's transport options; the timeout is in seconds. Raises ImproperlyConfigured."""
    if name_of(url) == "redis":
        return _redis(visibility_timeout)
    return _rabbitmq()


def _redis(visibility_timeout: int) -> dict[str, object]:
    return {
        # A message whose worker vanished is taken up by another after this long. Longer than any
        # batch takes; a message taken up too early is harmless, only work done twice.
        "visibility_timeout": visibility_timeout,
        # kombu looks for such messages every 10th time of every 10 s unless told otherwise.
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # One killed while it looks must not keep the others from looking for its 5 minutes.
        "unacked_mutex_expire": 10,
        "socket_timeout": 5,
        "socket_connect_timeout": _CONNECT_SECONDS,
        # Whoever accepts answers 503 at once; kombu would try for seconds. Workers try for ever.
        "max_retries": 0,
    }


def _rabbitmq() -> dict[str, object]:
    """RabbitMQ itself gives back what a vanished worker held."""
    return {
        "confirm_publish": True,
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": PATIENCE_SECONDS,
        "write_timeout": PATIENCE_SECONDS,
        # As for Redis.
        "max_retries": 0,
    }
