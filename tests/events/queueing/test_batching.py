"""The worker's batches: many messages a call, acknowledged after it, never lost by a failure."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import redis
from django.conf import settings
from django.db import connection

from config.celery import app
from events.models import Batch, Dedup
from events.queueing import queue
from projects.models import DEFAULT
from tests.project import PROJECT
from tests.samples import event, records
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


@contextmanager
def worker() -> Iterator[psutil.Process]:
    """A real worker with two children on the test's stores; killed with all of them at the end."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency", "2"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=worker_environment(), start_new_session=True
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def worker_environment() -> dict[str, str]:
    url = f"postgresql://{_address()}"
    # Short, so that what a killed worker held is taken up again within the test.
    return {**os.environ, "DATABASE_URL": url, "QUEUE_VISIBILITY_TIMEOUT_SECONDS": "5"}


def _address() -> str:
    of = connection.settings_dict
    host = of["HOST"]
    if host.startswith("/"):
        return f"{of['USER']}:{of['PASSWORD']}@:{of['PORT']}/{of['NAME']}?host={host}"
    return f"{of['USER']}:{of['PASSWORD']}@{host}:{of['PORT']}/{of['NAME']}"


def put(count: int) -> None:
    """So many requests of one event each, one message each."""
    for _ in range(count):
        queue.put(project=DEFAULT, events=records([event()]))


def unacknowledged() -> int:
    server: Any = redis.from_url(settings.REDIS_URL)
    lists = sum(int(server.llen(name)) for name in ("celery", "celery.taken"))
    return int(server.hlen("unacked")) + lists


def test_messages_share_a_transaction_and_are_acknowledged_after_it() -> None:
    put(150)
    with worker():
        wait_until(lambda: Dedup.objects.count() == 150)
        wait_until(lambda: unacknowledged() == 0)
    assert Batch.objects.count() < 15


def test_what_a_killed_child_held_is_stored_by_another() -> None:
    with worker() as process:
        put(1)
        wait_until(lambda: Dedup.objects.count() == 1)
        with connection.cursor() as cursor:
            # Stores wait for this lock, so that the children are killed in the middle of one.
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE dedup IN ACCESS EXCLUSIVE MODE")
            put(20)
            wait_until(lambda: _waiting_for_locks(cursor) > 0)
            for child in process.children():
                child.kill()
            cursor.execute("ROLLBACK")
        wait_until(lambda: Dedup.objects.count() == 21, seconds=60)
        wait_until(lambda: unacknowledged() == 0, seconds=60)


def test_what_a_killed_worker_held_is_stored_by_the_next() -> None:
    with worker():
        put(1)
        wait_until(lambda: Dedup.objects.count() == 1)
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE dedup IN ACCESS EXCLUSIVE MODE")
            put(20)
            wait_until(lambda: _waiting_for_locks(cursor) > 0)
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")
    assert Dedup.objects.count() == 1
    with worker():
        wait_until(lambda: Dedup.objects.count() == 21, seconds=60)
        wait_until(lambda: unacknowledged() == 0, seconds=60)


# Bodies and headers, as anybody who reaches the queue can write them.
_NOBODYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "no task": ([[], {}, {}], {"task": None}),
    "a list as task": ([[], {}, {}], {"task": ["events.purge_ids"]}),
    "no id": ([[], {}, {}], {"task": "unknown", "id": None}),
    "an unknown task": ([[], {}, {}], {"task": "unknown"}),
    "a number as body": (5, {"task": "events.purge_ids"}),
    "a short body": ([1], {"task": "events.purge_ids"}),
    "no time": ([[], {}, {}], {"task": "events.purge_ids", "eta": "soon"}),
    "a number as limit": ([[], {}, {}], {"task": "events.purge_ids", "timelimit": 5}),
    "words as limits": ([[], {}, {}], {"task": "events.purge_ids", "timelimit": ["a", "b"]}),
    "arguments too many": ([[1], {"a": 1}, {}], {"task": "events.purge_ids"}),
    "no frames": ([[5], {}, {}], {"task": "events.store_events"}),
    "no number as project": ([["no frame", "1"], {}, {}], {"task": "events.store_events"}),
    "a wrong number as project": ([["no frame", -1], {}, {}], {"task": "events.store_events"}),
    "less than nothing": (
        [["no frame"], {}, {}],
        {"task": "events.store_events", "weight": -(10**9), "bytes": -(10**9)},
    ),
}


def test_what_nobody_of_ours_has_put_on_the_queue_ends_no_worker() -> None:
    put(1)
    with app.producer_pool.acquire(block=True) as producer:
        for name, (body, headers) in _NOBODYS.items():
            about = {"lang": "py", "id": name, **headers}
            producer.publish(body, routing_key="celery", serializer="json", headers=about)
    put(1)
    with worker() as process:
        wait_until(lambda: Dedup.objects.count() == 2, seconds=60)
        wait_until(lambda: unacknowledged() == 0, seconds=60)
        assert process.status() != psutil.STATUS_ZOMBIE
    assert Batch.objects.filter(state=Batch.State.UNSTORED).count() == 4


def _waiting_for_locks(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(cursor.fetchone()[0])
