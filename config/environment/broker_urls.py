"""Which broker CELERY_BROKER_URL names, and the options with which kombu uses it.

The settings of every process read this, so it imports neither kombu nor a client of a broker.
"""

from typing import Literal, TypeAlias

from django.core.exceptions import ImproperlyConfigured

Name: TypeAlias = Literal["redis", "rabbitmq"]

# If RabbitMQ takes longer, it hangs, or it accepts nothing because its disk or memory is nearly
# full.
PATIENCE_SECONDS = 5
_CONNECT_SECONDS = 2
_BY_SCHEME: dict[str, Name] = {
    "redis": "redis",
    "rediss": "redis",
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
}
# Our transports. They replace kombu's own for these schemes.
TRANSPORTS = {
    "redis": "config.brokers.redis:Transport",
    "rediss": "config.brokers.redis:Transport",
    "amqp": "config.brokers.rabbitmq:Transport",
    "amqps": "config.brokers.rabbitmq:SSLTransport",
}
_KAFKA = (
    "CELERY_BROKER_URL: Kafka is not supported, because messages could be lost. When one message "
    "is acknowledged, Celery's transport for Kafka commits the offset of all messages that it has "
    "read, also of those that a worker has not finished. And it does not notice that Kafka refused "
    "a message (docs/adr/0003-brokers.md)"
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
        # After this time another worker takes over a message whose worker vanished. The time is
        # longer than any batch takes. To take over a message too early does no harm: the work is
        # only done twice.
        "visibility_timeout": visibility_timeout,
        # By default kombu checks every 10 s, and looks for such messages only at every 10th check.
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # A worker that is killed while it looks must not keep the others from looking for 5
        # minutes, kombu's default.
        "unacked_mutex_expire": 10,
        "socket_timeout": 5,
        "socket_connect_timeout": _CONNECT_SECONDS,
        # The API answers 503 at once, where kombu would retry for seconds. Workers retry for ever.
        "max_retries": 0,
    }


def _rabbitmq() -> dict[str, object]:
    """No timeout for messages: RabbitMQ itself gives back what a vanished worker held."""
    return {
        "confirm_publish": True,
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": PATIENCE_SECONDS,
        "write_timeout": PATIENCE_SECONDS,
        # For the same reason as with Redis.
        "max_retries": 0,
    }
