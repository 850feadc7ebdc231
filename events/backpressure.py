"""Backpressure: how full the queue is, looked at once a second at most, and whether that is enough.

The queue grows while workers or PostgreSQL are down. Past the limit events are refused at the door,
where the client still has them; nothing has to be reset once the queue is shorter again.
"""

import json
import threading
import time
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

from celery import current_app
from django.conf import settings

from events.records import FRAME_EVENTS

_LOOK_SECONDS = 1.0
# Messages at either end of the queue whose size stands for all: the load may have changed.
_SAMPLE = 5
# A consumer needs memory to take a message off the queue: a Redis that is full to the brim can
# neither take in nor give out.
_MEMORY_SHARE = 0.8


class QueueFull(Exception):
    """No more events are accepted until the queue is shorter."""


class Load(NamedTuple):
    """About how many events wait for a worker or are with one, and Redis' memory in bytes.

    `memory_limit` is 0 where Redis has none.
    """

    events: int
    memory: int
    memory_limit: int


class Waiting(NamedTuple):
    """Messages on the queue or with a worker, and seconds that the oldest has been there."""

    messages: int
    age: float


_looking = threading.Lock()
_next_look = 0.0
_reason = ""


def require_room() -> None:
    """Raises QueueFull past QUEUE_LIMIT_EVENTS or when the broker's memory is nearly used up.

    Raises redis.RedisError or kombu's OperationalError when the broker can't be asked.
    """
    global _next_look, _reason  # noqa: PLW0603 - one view of the queue a process
    # Whoever finds somebody looking goes by the look before.
    if time.monotonic() >= _next_look and _looking.acquire(blocking=False):
        try:
            _reason = _full(load())
            _next_look = time.monotonic() + _LOOK_SECONDS
        finally:
            _looking.release()
    if _reason:
        raise QueueFull(_reason)


def _full(load: Load) -> str:
    if load.events > settings.QUEUE_LIMIT_EVENTS:
        return f"about {load.events} events are waiting to be stored"
    if load.memory_limit and load.memory > _MEMORY_SHARE * load.memory_limit:
        return "the queue's memory is nearly used up"
    return ""


def load() -> Load:
    """Ask the broker."""
    with current_app.producer_pool.acquire(block=True) as producer:
        client = producer.channel.client
        name = current_app.conf.task_default_queue
        with client.pipeline(transaction=False) as pipe:
            pipe.llen(name)
            pipe.hlen(producer.channel.unacked_key)
            pipe.info("memory")
            queued, held, memory = pipe.execute()
        events = _estimate(client, name, queued, queued + held)
    return Load(events, int(memory["used_memory"]), int(memory["maxmemory"]))


def waiting() -> Waiting:
    """Ask the broker. Raises redis.RedisError or kombu's OperationalError."""
    with current_app.producer_pool.acquire(block=True) as producer:
        client = producer.channel.client
        name = current_app.conf.task_default_queue
        with client.pipeline(transaction=False) as pipe:
            pipe.llen(name)
            pipe.hlen(producer.channel.unacked_key)
            pipe.lrange(name, -1, -1)
            pipe.zrange(producer.channel.unacked_index_key, 0, 0, withscores=True)
            queued, held, last, taken = pipe.execute()
    now = time.time()
    since = [*(_header(item, "at", default=now) for item in last), *(at for _, at in taken)]
    return Waiting(queued + held, max(0.0, now - min(since, default=now)))


def _estimate(client: Any, name: str, queued: int, messages: int) -> int:
    """Events in so many messages; few need no closer look, being within the limit at their most."""
    if not queued or messages * FRAME_EVENTS <= settings.QUEUE_LIMIT_EVENTS:
        return messages * FRAME_EVENTS
    sample = [*client.lrange(name, 0, _SAMPLE - 1), *client.lrange(name, -_SAMPLE, -1)]
    weights = _weights(sample)
    return messages * sum(weights) // max(1, len(weights))


def _weights(sample: Sequence[bytes]) -> list[int]:
    return [_weight(item) for item in sample]


def _weight(item: bytes) -> int:
    """Whatever somebody has put there must not stop ingest: what can't be read counts as one."""
    return max(1, int(_header(item, "weight", default=1)))


def _header(item: bytes, name: str, *, default: float) -> float:
    try:
        value = float(json.loads(item)["headers"][name])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return default
    return value if isfinite(value) else default
