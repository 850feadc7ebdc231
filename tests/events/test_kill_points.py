"""SIGKILL at each of the worst moments of an event's way: it is stored once all the same.

The process that dies is a real one (see `tests/warm.py`), with one function replaced by one that
kills it: the first time only, so that whoever comes after it finds what it left.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db.models import Sum

from analytics import clickhouse as engine
from events.delivery import background
from events.models import Batch, Dedup, HotEvent
from events.storing.store import store
from projects.models import DEFAULT
from tests import environment
from tests.events.queueing.workers import put, unacknowledged
from tests.samples import event, framed, moment
from tests.stored import cold, deliver_all
from tests.waiting import wait_until
from tests.warm import Child

pytestmark = pytest.mark.usefixtures("stores")


@contextmanager
def dying(flag: Path, function: str, when: str, *command: str) -> Iterator[Child]:
    """The first process that makes the file is killed, `before` or `after` the function runs."""
    child = Child(environment.of_the_stores(), *command, dies=(function, when, str(flag)))
    try:
        yield child
    finally:
        child.kill()


# --- from the queue to PostgreSQL


def test_killed_with_a_message_taken_and_not_yet_noted_loses_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "killed"
    put(30)
    with dying(flag, "config.brokers.redis:QoS.append", "before", "worker") as process:
        process.wait(60)
    assert unacknowledged() == 30
    with dying(flag, "config.brokers.redis:QoS.append", "before", "worker", "1"):
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
