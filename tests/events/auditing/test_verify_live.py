"""The verification beside everything else that goes on."""

import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.db import connection

from analytics.maintenance import inventory as cold
from events.auditing import failed, inventory, verify
from events.delivery import deliver, parking
from events.models import Batch, HotEvent
from events.sql import load
from events.storing import hot, purge
from tests.analytics.histories import ASKED_FOR
from tests.events.auditing.damage import (
    OLD,
    TODAY,
    YESTERDAY,
    agreeing,
    assert_rollups_hold_the_events,
    delivered,
    differing,
    double_cold,
    drop_cold,
    drop_hot,
    drop_known,
    put,
)
from tests.meanwhile import before, in_thread
from tests.samples import moment
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


by_hand = pytest.mark.usefixtures("by_hand")
# Rounds of verifications beside ingest.
ROUNDS = 30 if ASKED_FOR else 3


@pytest.mark.parametrize("listed", [200_000, 1_000])
def test_no_false_alarm_while_events_are_stored_and_delivered(
    listed: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(verify, "_LISTED", listed)
    monkeypatch.setattr(verify, "_BUCKET", 4)
    stop = threading.Event()
    stored: list[str] = []

    def ingest() -> None:
        while not stop.is_set():
            for when in (moment(minutes=1), moment(days=3), OLD):
                stored.extend(put(30, occurred_at=when))
            time.sleep(0.3)

    threads = [threading.Thread(target=in_thread, args=(ingest,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        # So many that they are compared in buckets where few may be listed.
        wait_until(lambda: len(stored) > 600)
        for _ in range(ROUNDS):
            agreeing()
            agreeing("--from=2025-01-01", f"--to={TODAY}")
            agreeing("--repair")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    deliver_all()
    assert f"{len(stored):,} ids in dedup, {len(stored):,} in ClickHouse" in agreeing()
    assert_rollups_hold_the_events()


@by_hand
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (cold, "digests"),
        (inventory, "hot_listed"),
        (inventory, "known_listed"),
        (cold, "listed"),
        (inventory, "in_outbox"),
        (cold, "days"),
        (inventory, "hot_days"),
        (inventory, "known"),
    ],
)
def test_an_event_that_moves_between_two_looks_is_no_difference(
    module: Any, name: str, monkeypatch: Any
) -> None:
    put(3)
    put(3, occurred_at=OLD)

    def moves() -> None:
        deliver_all()
        delivered(4)
        put(2, occurred_at=OLD)

    before(monkeypatch, module, name, moves)
    agreeing()


@by_hand
@pytest.mark.parametrize("name", ["in_outbox", "hot_days"])
def test_what_is_discarded_meanwhile_is_no_difference(name: str, monkeypatch: Any) -> None:
    put(3)
    put(3, occurred_at=OLD)
    Batch.objects.update(state=Batch.State.FAILED)
    batches = list(Batch.objects.values_list("id", flat=True))

    def discard() -> None:
        for batch in batches:
            failed.discard(batch, by="a test")

    before(monkeypatch, inventory, name, discard)
    agreeing()


@by_hand
def test_frames_that_are_merged_while_the_outbox_is_read_are_not_missed(monkeypatch: Any) -> None:
    monkeypatch.setattr(inventory, "_PAYLOADS_AT_ONCE", 1)
    for _ in range(4):
        put(3)
    ids = list(Batch.objects.order_by("id").values_list("id", flat=True))

    def merge() -> None:
        with connection.cursor() as cursor:
            cursor.execute(load("merge_batches"), {"ids": ids, "first": ids[0]})

    before(monkeypatch, parking, "read", merge)
    agreeing()
    assert Batch.objects.filter(state="merged").count() == 3


@by_hand
def test_days_outside_the_window_are_not_looked_for_in_the_hot_layer(settings: Any) -> None:
    delivered(3, occurred_at=moment(days=6, hours=1))
    kept = delivered(2)
    settings.HOT_WINDOW_DAYS = 4
    assert "2 events in the hot layer, 5 ids in dedup" in agreeing()
    purge.purge_hot(now=hot.window_start(datetime.now(UTC)) + timedelta(days=5))
    agreeing()
    settings.HOT_WINDOW_DAYS = 7
    assert "3 copied to the hot layer" in agreeing("--repair")
    assert HotEvent.objects.count() == 5
    assert len(kept) == 2


class AroundMidnight(datetime):
    midnight = datetime.combine(TODAY + timedelta(days=1), datetime.min.time(), UTC)
    minutes_past = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return (cls.midnight + timedelta(minutes=cls.minutes_past)).astimezone(tz)


@by_hand
def test_a_day_that_another_clock_has_let_go_already_is_not_missed(monkeypatch: Any) -> None:
    monkeypatch.setattr("events.storing.store.datetime", AroundMidnight)
    monkeypatch.setattr("events.auditing.verify.datetime", AroundMidnight)
    monkeypatch.setattr(AroundMidnight, "minutes_past", 2)
    let_go = hot.window_start(AroundMidnight.midnight) - timedelta(hours=12)
    delivered(3, occurred_at=let_go.isoformat())
    assert HotEvent.objects.count() == 0
    monkeypatch.setattr(AroundMidnight, "minutes_past", -2)
    agreeing()


@by_hand
def test_a_day_that_leaves_the_window_meanwhile_is_not_missed(monkeypatch: Any) -> None:
    monkeypatch.setattr("events.auditing.verify.datetime", AroundMidnight)
    monkeypatch.setattr(AroundMidnight, "minutes_past", -10)
    leaving = hot.window_start(AroundMidnight.midnight) - timedelta(hours=12)
    ids = delivered(3, occurred_at=leaving.isoformat())

    def leaves() -> None:
        monkeypatch.setattr(AroundMidnight, "minutes_past", 70)
        drop_hot(ids)

    before(monkeypatch, inventory, "hot_digests", leaves)
    agreeing()


@by_hand
def test_what_is_missing_of_the_first_day_of_the_window_is_named_once() -> None:
    first = hot.window_start(datetime.now(UTC) + timedelta(hours=1)) + timedelta(hours=12)
    lost = delivered(3, occurred_at=first.isoformat())
    drop_cold(lost)
    assert f"{first.date()}: 3 missing in ClickHouse" in differing(4)
    agreeing("--repair")


@by_hand
def test_an_old_event_still_in_the_hot_layer_is_sent_from_there(settings: Any) -> None:
    delivered(1)
    put(3, occurred_at=moment(days=6, hours=1))
    Batch.objects.filter(state="pending").update(payload=None, state=Batch.State.DELIVERED)
    settings.HOT_WINDOW_DAYS = 4
    assert "3 missing in ClickHouse" in differing(3)
    assert "3 sent to ClickHouse" in agreeing("--repair")


@by_hand
def test_a_partition_dropped_by_hand_is_filled_again() -> None:
    delivered(3)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {hot.partition_name(YESTERDAY)}")
    assert f"{YESTERDAY}: 3 missing in the hot layer" in differing(3)
    agreeing("--repair")


@by_hand
def test_where_old_ids_are_forgotten_they_are_not_missed(settings: Any) -> None:
    settings.DEDUP_DAYS = 30
    drop_known(delivered(3, occurred_at=OLD))
    ids = delivered(3)
    drop_known(ids[:1])
    assert "3 events in the hot layer, 6 in ClickHouse" in agreeing()
    agreeing("--from=2025-01-01", f"--to={TODAY}")
    double_cold(ids[1:])
    assert "2 doubled in ClickHouse" in differing(2)
    agreeing("--repair")


@by_hand
def test_rows_in_the_buffer_are_in_clickhouse(settings: Any) -> None:
    settings.CLICKHOUSE_USE_BUFFER = True
    put(3)
    put(3, occurred_at=OLD)
    deliver.deliver_due()
    agreeing()
