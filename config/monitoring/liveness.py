"""Signs of life of workers and of beat, in the rate limit's Redis: nothing is kept on disk.

Their keys have no time to live. When memory is short, that Redis drops only keys that have one
(`volatile-lru`). Docker's health check of beat reads its sign too (`docker/healthcheck.py`).
"""

import time
from typing import NamedTuple

import redis
from django_redis import get_redis_connection

EVERY_SECONDS = 5.0
# A worker that is silent for this long counts as gone.
_SILENCE_SECONDS = 30.0
_WORKERS, _BEAT = "alive:workers", "alive:beat"


class Alive(NamedTuple):
    """The number of workers seen lately, and the seconds since beat was seen; None if never."""

    workers: int
    beat_age: float | None


def note_worker(name: str) -> None:
    """Note that a worker is alive. Never raises and never takes long.

    A worker works without the rate limit's Redis as well.
    """
    try:
        get_redis_connection("liveness").zadd(_WORKERS, {name: time.time()})
    except redis.RedisError:
        return


def note_beat() -> None:
    """Note that beat is alive. Never raises."""
    try:
        get_redis_connection("liveness").set(_BEAT, time.time())
    except redis.RedisError:
        return


def seen() -> Alive:
    """Read the signs of life. Raises redis.RedisError."""
    now = time.time()
    # No pipeline: in a cluster the two keys are on different nodes.
    client = get_redis_connection("rate_limit")
    client.zremrangebyscore(_WORKERS, 0, now - _SILENCE_SECONDS)
    workers, beat = client.zcard(_WORKERS), client.get(_BEAT)
    return Alive(workers, None if beat is None else max(0.0, now - float(beat)))
