"""SIGKILL at each of the worst moments of an event's way: it is stored once all the same.

The process that dies is a real one, run with one function replaced by one that kills it: the first
time only, so that whoever comes after it finds what it left.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from django.db.models import Sum

from analytics import clickhouse as engine
from events.delivery import background
from events.models import Batch, Dedup, HotEvent
from events.storing.store import store
from projects.models import DEFAULT
from tests import environment
from tests.events.queueing.workers import put, unacknowledged
from tests.project import PROJECT
from tests.samples import event, framed, moment
from tests.stored import cold, deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")
Program: TypeAlias = "subprocess.Popen[bytes]"

# Arguments: a file that tells that it happened, module and function, `before` or `after` it runs,
# and what to do then: `worker`, or a command of manage.py.
DYING = """
import os, signal, sys
from importlib import import_module
import django
django.setup()
from config.celery import app

flag, module, path, when, *command = sys.argv[1:]
*parents, name = path.split(".")
owner = import_module(module)
for parent in parents:
    owner = getattr(owner, parent)
real = getattr(owner, name)

def is_first():
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False

def dying(*args, **given):
    mine = is_first()
    if mine and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **given)
    if mine:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, dying)
if command == ["worker"]:
    app.worker_main(["worker", "--concurrency", "2"])
else:
    from django.core.management import call_command
    call_command(*command)
"""


@contextmanager
def dying(
    flag: Path, function: str, when: str, *command: str
) -> Iterator["subprocess.Popen[bytes]"]:
    module, _, name = function.partition(":")
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, str(flag), module, name, when, *command],
        cwd=PROJECT,
        env=environment.of_the_stores(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# --- from the queue to PostgreSQL


def test_killed_with_a_message_taken_and_not_yet_noted_loses_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying(flag, "config.brokers.redis:QoS.append", "before", "worker") as process:
        process.wait(60)
    assert unacknowledged() == 30
    with dying(flag, "config.brokers.redis:QoS.append", "before", "worker"):
        wait_until(lambda: unacknowledged() == 0, seconds=60)
    deliver_after_the_leases()
    assert_stored_once(30)


@pytest.mark.parametrize(
    ("function", "when"),
    [
        ("events.storing.intake:store", "before"),
        ("events.storing.store:_insert_dedup", "after"),
        ("events.storing.store:_copy_hot", "after"),
        ("events.storing.store:_insert_batch", "after"),
    ],
)
def test_killed_before_the_commit_loses_nothing(tmp_path: Path, function: str, when: str) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying(flag, function, when, "worker"):
        wait_until(lambda: flag.exists() and unacknowledged() == 0, seconds=60)
    deliver_after_the_leases()
    assert_stored_once(30)
    assert repeated() == 0


def test_killed_between_commit_and_acknowledgement_stores_nothing_twice(tmp_path: Path) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying(flag, "events.storing.intake:store", "after", "worker"):
        wait_until(lambda: flag.exists() and unacknowledged() == 0, seconds=60)
    deliver_after_the_leases()
    assert_stored_once(30)
    # The messages did come a second time.
    assert repeated() > 0


# --- from PostgreSQL to ClickHouse


@pytest.fixture
def outbox(stores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches over many months, and nobody in this process who delivers them."""
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    for days in (0, 40, 400):
        events = [event(occurred_at=moment(days=days + n, hours=1)) for n in (0, 0, 70)]
        store(frames=[framed(events)], source=Batch.Source.QUEUE, project=DEFAULT)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    ("function", "when", "arrived"),
    [
        ("events.delivery.deliver:_claim", "before", 0),
        ("analytics.inserting:insert_block", "before", 0),
        ("analytics.inserting:insert_block", "after", 9),
        ("events.delivery.deliver:_confirm", "after", 9),
    ],
)
def test_killed_around_an_insert_delivers_once(
    tmp_path: Path, function: str, when: str, arrived: int
) -> None:
    with dying(tmp_path / "killed", function, when, "deliver_batches") as process:
        assert process.wait(60) == -signal.SIGKILL
    assert cold() == arrived
    deliver_after_the_leases()
    assert Dedup.objects.count() == 9
    assert_delivered_once(9)


@pytest.mark.usefixtures("outbox")
def test_killed_between_the_insert_and_its_confirmation_with_more_to_deliver(
    tmp_path: Path,
) -> None:
    with dying(
        tmp_path / "killed", "events.delivery.deliver:_confirm", "before", "deliver_batches"
    ) as one:
        assert one.wait(60) == -signal.SIGKILL
    store(frames=[framed([event()])], source=Batch.Source.QUEUE, project=DEFAULT)
    deliver_after_the_leases()
    assert_delivered_once(10)


def deliver_after_the_leases() -> None:
    """As if those of whoever was killed amid a delivery were over."""
    Batch.objects.update(claimed_until=None)
    deliver_all()


def repeated() -> int:
    return int(Batch.objects.aggregate(Sum("duplicates"))["duplicates__sum"])


def assert_stored_once(count: int) -> None:
    assert Dedup.objects.count() == HotEvent.objects.count() == count
    assert_delivered_once(count)


def assert_delivered_once(count: int) -> None:
    [[rows, ids]] = engine.query("SELECT count(), uniqExact(event_id) FROM events", project=DEFAULT)
    assert (rows, ids) == (count, count)
    [[rolled]] = engine.query("SELECT sum(events) FROM daily_events", project=DEFAULT)
    assert rolled == count
