"""A worker's child killed at the worst moments: what it had in hand is stored once all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db.models import Sum

from analytics import clickhouse as engine
from events.models import Batch, Dedup, HotEvent
from tests.events.test_batching import PROJECT, put, unacknowledged, worker_environment
from tests.waiting import deliver_all, wait_until

pytestmark = pytest.mark.usefixtures("stores")

# The worker as it is, but the first call of store in any of its children ends with SIGKILL.
SCRIPT = """
import os, signal, sys
import django
django.setup()
from config.celery import app
from events import tasks
real, flag, moment = tasks.store, sys.argv[1], sys.argv[2]

def first():
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False

def store(**given):
    mine = first()
    if mine and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    stored = real(**given)
    if mine:
        os.kill(os.getpid(), signal.SIGKILL)
    return stored

tasks.store = store
app.worker_main(["worker", "--concurrency", "2"])
"""


@contextmanager
def dying_worker(flag: Path, moment: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(flag), moment],
        cwd=PROJECT,
        env=worker_environment(),
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_between_commit_and_acknowledgement_stores_nothing_twice(tmp_path: Path) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying_worker(flag, "after"):
        wait_until(lambda: flag.exists() and unacknowledged() == 0, seconds=60)
    deliver_all()
    assert_stored_once(30)
    # The messages did come a second time.
    assert Batch.objects.aggregate(Sum("duplicates"))["duplicates__sum"] > 0


def test_killed_before_the_commit_loses_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying_worker(flag, "before"):
        wait_until(lambda: flag.exists() and unacknowledged() == 0, seconds=60)
    deliver_all()
    assert_stored_once(30)
    assert Batch.objects.aggregate(Sum("duplicates"))["duplicates__sum"] == 0


def assert_stored_once(count: int) -> None:
    assert Dedup.objects.count() == HotEvent.objects.count() == count
    [[rows, ids]] = engine.query("SELECT count(), uniqExact(event_id) FROM events")
    assert (rows, ids) == (count, count)
    [[rolled]] = engine.query("SELECT sum(events) FROM daily_events")
    assert rolled == count
