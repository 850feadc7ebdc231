"""How full the queue in Redis is."""

import json
import time
from collections.abc import Sequence
from math import isfinite
from typing import Any

from config.brokers.base import Load, Waiting
from config.celery import app

# How many messages at each end of the queue stand for all of them. Both ends, because the load may
# have changed.
_SAMPLE = 5


def ping() -> None:
    with app.producer_pool.acquire(block=True) as producer:
        producer.channel.client.ping()


def load(*, limit: int, largest: int) -> Load:
    """Estimate from messages at both ends, unless even the largest would be within `limit`."""
    with app.producer_pool.acquire(block=True) as producer:
        client = producer.channel.client
        name = app.conf.task_default_queue
        with _lengths(producer.channel, name) as pipe:
            pipe.info("memory")
            queued, held, memory = pipe.execute()
        messages = queued + held
        events = messages * largest
        if queued and events > limit:
            events = _estimate(client, name, messages, largest)
    return Load(events, int(memory["used_memory"]), int(memory["maxmemory"]))


def waiting() -> Waiting:
    """The oldest message is next on the queue, or a worker has held it for longest."""
    with app.producer_pool.acquire(block=True) as producer:
        name = app.conf.task_default_queue
        with _lengths(producer.channel, name) as pipe:
            pipe.lrange(name, -1, -1)
            pipe.zrange(producer.channel.unacked_index_key, 0, 0, withscores=True)
            queued, held, last, taken = pipe.execute()
    now = time.time()
    since = [*(_header(item, "at", default=now) for item in last), *(at for _, at in taken)]
    return Waiting(queued + held, max(0.0, now - min(since, default=now)))


def _lengths(channel: Any, name: str) -> Any:
    """A pipeline for how many messages wait and how many workers hold; more may be added."""
    pipe = channel.client.pipeline(transaction=False)
    return pipe.llen(name).hlen(channel.unacked_key)


def _estimate(client: Any, name: str, messages: int, largest: int) -> int:
    ends: Sequence[bytes] = client.lrange(name, 0, _SAMPLE - 1) + client.lrange(name, -_SAMPLE, -1)
    weights = [_weight(item, largest) for item in ends]
    return messages * sum(weights) // max(1, len(weights))


def _weight(item: bytes, largest: int) -> int:
    """The events of a message. One that is not ours counts as 1, as it must not stop ingest."""
    weight = int(_header(item, "weight", default=1))
    return weight if 1 <= weight <= largest else 1


def _header(item: bytes, name: str, *, default: float) -> float:
    try:
        value = float(json.loads(item)["headers"][name])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return default
    return value if isfinite(value) else default
