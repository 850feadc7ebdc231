"""The worker's batches: many messages a call, acknowledged after it, never lost by a failure."""

from typing import Any

import psutil
import pytest
from django.db import connection

from config.celery import app
from events.models import Batch, Dedup
from tests.events.queueing.workers import put, unacknowledged, worker
from tests.meanwhile import waiting_for_locks
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


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
            wait_until(lambda: waiting_for_locks() > 0)
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
            wait_until(lambda: waiting_for_locks() > 0)
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")
    assert Dedup.objects.count() == 1
    with worker(takes_up_after=1):
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


def test_messages_of_other_programs_end_no_worker() -> None:
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
