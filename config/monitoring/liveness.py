"""Signs of life of workers and of beat, in the Redis of the rate limit: nothing is kept on disk.

They have no time to live: where memory is short that Redis drops what has one (`volatile-lru`).
Docker's health check of beat reads them too (`docker/healthcheck.py`).
"""

import time
from typing import NamedTuple

import redis
from django_redis import get_redis_connection

EVERY_SECONDS = 5.0
# Whoever has not said anything for so long is gone.
_SILENCE_SECONDS = 30.0
_WORKERS, _BEAT = "alive:workers", "alive:beat"


class Alive(NamedTuple):
    """Workers seen lately, and seconds since beat was; None where it never was."""

    workers: int
    beat_age: float | None


def note_worker(name: str) -> None:
    """Never raises, nor takes long: a worker works without the rate limit's Redis as well."""
    try:
        get_redis_connection("liveness").zadd(_WORKERS, {name: time.time()})
    except redis.RedisError:
        return


def note_beat() -> None:
    """Never raises either."""
    try:
        get_redis_connection("liveness").set(_BEAT, time.time())
    except redis.RedisError:
        return


def seen() -> Alive:
    """Raises redis.RedisError."""
    now = time.time()
    # No pipeline: in a cluster the two keys are with different nodes.
    client = get_redis_connection("rate_limit")
    client.zremrangebyscore(_WORKERS, 0, now - _SILENCE_SECONDS)
    workers, beat = client.zcard(_WORKERS), client.get(_BEAT)
    return Alive(workers, None if beat is None else max(0.0, now - float(beat)))
