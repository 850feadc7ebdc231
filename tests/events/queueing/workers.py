"""A real Celery worker on the stores of the tests, and what it has taken of the queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import redis
from django.conf import settings

from events.queueing import queue
from projects.models import DEFAULT
from tests import environment
from tests.samples import event, records
from tests.warm import Child


@contextmanager
def worker(*, takes_up_after: int = 5) -> Iterator[psutil.Process]:
    """A real worker with two children on the test's stores; killed with all of them at the end.

    After so many seconds it takes up what another worker held.
    """
    child = Child(environment.of_the_stores(), "worker", str(takes_up_after))
    try:
        yield psutil.Process(child.pid)
    finally:
        child.kill()


def put(count: int) -> None:
    """So many requests of one event each, one message each."""
    for _ in range(count):
        queue.put(events=records([event()]), project=DEFAULT)


def unacknowledged() -> int:
    server: Any = redis.from_url(settings.REDIS_URL)
    lists = sum(int(server.llen(name)) for name in ("celery", "celery.taken"))
    return int(server.hlen("unacked")) + lists
