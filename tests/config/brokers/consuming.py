"""Messages that are put on the queue and taken from it, and where Redis has them meanwhile."""

from typing import Any

from celery import current_app
from kombu.connection import Connection
from kombu.entity import Queue

QUEUE = "celery"


def publish(body: str = "hello") -> None:
    with current_app.connection_for_write() as connection:
        connection.SimpleQueue(QUEUE).put(body)


def waiting(redis: Any) -> dict[str, int]:
    return {
        "queued": redis.llen(QUEUE),
        "taken": redis.llen(f"{QUEUE}.taken"),
        "unacked": redis.hlen("unacked"),
        "indexed": redis.zcard("unacked_index"),
    }


def consume(connection: Connection, *, no_ack: bool = False) -> list[Any]:
    """Messages that arrive within a moment of each other, none of them acknowledged.

    Where some came and the queue is empty now, no other is waited for.
    """
    got: list[Any] = []
    # An empty queue is asked so long, and what is on its way must have come before it ends.
    channel: Any = connection.default_channel
    channel.brpop_timeout = 0.2
    with connection.Consumer(
        [Queue(QUEUE)], callbacks=[lambda _, message: got.append(message)], no_ack=no_ack
    ):
        try:
            while True:
                connection.drain_events(timeout=0.6)
                if got and not channel.client.llen(QUEUE):
                    return got
        except TimeoutError:
            return got


def restore(connection: Any, *, visibility_timeout: float = 0) -> None:
    """What each worker does now and then, as if the visibility timeout were over."""
    channel: Any = connection.channel()
    connection.Consumer([Queue(QUEUE)], channel=channel).consume()
    channel.visibility_timeout = visibility_timeout
    channel.qos.restore_visible(num=None, interval=1)
    channel.close()
