"""The store transaction: dedup, hot layer and outbox together, or nothing."""

import json
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import errors
from structlog.testing import capture_logs

from events.delivery import background
from events.format.records import unframe
from events.models import Batch, Dedup, HotEvent
from events.storing import hot
from events.storing import store as store_module
from events.storing.store import Stored, store
from projects.models import DEFAULT
from tests.meanwhile import beside, in_thread, waiting_for_locks
from tests.samples import event, framed, moment
from tests.waiting import wait_until

# What is in the outbox stays there to be looked at.
pytestmark = pytest.mark.usefixtures("stores", "no_delivery")


def put(*frames: bytes) -> Stored:
    return store(frames=frames, source=Batch.Source.QUEUE, project=DEFAULT)


def test_the_outbox_holds_exactly_the_fresh_events() -> None:
    known, fresh = event(), event()
    put(framed([known]))
    assert put(framed([known, fresh, fresh])) == (3, 1, 2)
    batch = Batch.objects.latest("created_at")
    assert (batch.received, batch.stored, batch.duplicates) == (3, 1, 2)
    assert [r.event_id for r in unframe(bytes(batch.payload or b""))] == [fresh["event_id"]]
    assert batch.payload_bytes == len(batch.payload or b"")


def test_frames_of_fresh_events_become_the_outbox_as_they_are() -> None:
    frames = [framed([event()]), framed([event(), event()])]
    assert put(*frames) == (3, 3, 0)
    assert bytes(Batch.objects.get().payload or b"") == b"".join(frames)
    assert len(unframe(b"".join(frames))) == 3


def test_a_batch_of_nothing_new_has_nothing_to_deliver() -> None:
    data = framed([event()])
    put(data)
    assert put(data) == (1, 0, 1)
    batch = Batch.objects.latest("created_at")
    assert (batch.state, batch.payload) == (Batch.State.DELIVERED, None)


def test_no_events_leave_no_trace() -> None:
    assert put() == (0, 0, 0)
    assert put(framed([])) == (0, 0, 0)
    assert not Batch.objects.exists()


def test_what_fails_half_way_stores_nothing(monkeypatch: Any) -> None:
    def fail(*_: Any) -> None:
        raise errors.DiskFull("no space left")

    monkeypatch.setattr(store_module, "_insert_batch", fail)
    with pytest.raises(errors.DiskFull):
        put(framed([event()]))
    assert (Dedup.objects.count(), HotEvent.objects.count(), Batch.objects.count()) == (0, 0, 0)


def test_delivery_is_woken_when_others_see_the_batch(monkeypatch: Any) -> None:
    seen: list[int] = []
    look = lambda: seen.append(Batch.objects.count())  # noqa: E731
    monkeypatch.setattr(background, "deliver_soon", lambda *_: in_thread(look))
    with transaction.atomic():
        put(framed([event()]))
    assert seen == [1]


def know(event_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO dedup_1 (event_id) VALUES (%s)", [event_id])


def test_stores_that_share_ids_wait_for_each_other_and_never_in_a_ring() -> None:
    """Ids are claimed in order: whoever waits for a low one holds no higher one."""
    low, high = sorted(str(uuid.uuid4()) for _ in range(2))
    both = framed([event(event_id=one) for one in (high, low)])
    stored: list[Stored] = []
    with ExitStack() as stack, transaction.atomic():
        know(low)
        stack.enter_context(beside(lambda: stored.append(put(both))))
        wait_until(lambda: waiting_for_locks() > 0)
        know(high)
    assert stored == [(2, 0, 2)]


def test_a_store_that_is_rolled_back_with_what_is_around_it_is_told_to_nobody() -> None:
    with capture_logs() as logs, transaction.atomic():
        put(framed([event()]))
        transaction.set_rollback(True)
    assert not [line for line in logs if line["event"] == "batch_stored"]
    with capture_logs() as logs, transaction.atomic():
        put(framed([event()]))
    assert len([line for line in logs if line["event"] == "batch_stored"]) == 1


def test_an_event_reads_back_as_it_was_sent() -> None:
    properties = {
        "a": None,
        "t": 'tab\there "q" \\n back\\slash \\.',
        "n": [1.5, {"x": []}],
        "": "é",
    }
    sent = event(user_id="back\\slash\\", event_type="\\N", properties=properties)
    put(framed([sent]))
    kept = HotEvent.objects.get()
    assert (kept.user_id, kept.event_type) == ("back\\slash\\", "\\N")
    assert json.loads(kept.properties) == properties
    assert kept.occurred_at.isoformat(timespec="milliseconds") == sent["occurred_at"]


def test_the_hot_layer_begins_at_midnight_of_its_first_day(settings: Any) -> None:
    start = hot.window_start(datetime.now(UTC))
    before = event(occurred_at=(start - timedelta(milliseconds=1)).isoformat())
    first = event(occurred_at=start.isoformat())
    ahead = event(occurred_at=moment(hours=-23))
    assert put(framed([before, first, ahead])) == (3, 3, 0)
    shown = {str(e.event_id) for e in HotEvent.objects.all()}
    assert shown == {first["event_id"], ahead["event_id"]}


def test_a_missing_partition_is_made_before_the_first_store_of_a_day(monkeypatch: Any) -> None:
    today = datetime.now(UTC).date()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {hot.partition_name(today)}")
    monkeypatch.setattr(hot, "_ensured", today - timedelta(days=1))
    put(framed([event(occurred_at=moment(seconds=0))]))
    assert HotEvent.objects.count() == 1
    assert hot._ensured == today


def test_partitions_reach_over_the_window_and_some_days_ahead(settings: Any) -> None:
    now = datetime(2031, 3, 1, tzinfo=UTC)
    made = hot.ensure_partitions(now=now)
    assert len(made) == settings.HOT_WINDOW_DAYS + 1 + hot.DAYS_AHEAD
    assert made[0].isoformat() == "2031-02-22"
    assert made[-1].isoformat() == "2031-03-04"
    assert hot.ensure_partitions(now=now) == []
    with connection.cursor() as cursor:
        for day in made:
            cursor.execute(f"DROP TABLE {hot.partition_name(day)}")


def test_ids_of_any_version_are_told_apart() -> None:
    ids = [uuid.uuid1(), uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_URL, "x"), uuid.UUID(int=0)]
    assert put(framed([event(event_id=str(i)) for i in ids])) == (4, 4, 0)
    assert {row.event_id for row in Dedup.objects.all()} == set(ids)
