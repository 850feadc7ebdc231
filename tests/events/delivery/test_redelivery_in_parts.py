"""Blocks that are split, set aside or discarded after an attempt without an answer."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics import clickhouse as engine
from analytics import inserting
from analytics.maintenance import inventory
from events.auditing import failed
from events.delivery import deliver, parking
from events.format.records import frame, unframe
from events.models import Batch, Dedup, HotEvent
from events.storing.store import store
from projects.models import DEFAULT
from tests.events.auditing.damage import drop_cold, lose_block, put
from tests.events.delivery.resending import (
    assert_each_there_once,
    due_again,
    sent_without_an_answer,
)
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("stores", "settled")


def refusing(*, more_than: int, code: int, monkeypatch: Any) -> None:
    """ClickHouse takes blocks of so many events and no larger ones."""
    real = inserting.insert_block

    def insert_block(*, project: int, token: str, body: bytes) -> None:
        if len(unframe(body)) > more_than:
            content = code in engine._CONTENT
            kind = engine.ClickHouseRefused if content else engine.ClickHouseUnavailable
            raise kind("too much", code=code)
        real(project=project, token=token, body=body)

    monkeypatch.setattr(inserting, "insert_block", insert_block)


def deliver_often(times: int) -> None:
    for _ in range(times):
        due_again()
        deliver.deliver_due()


def test_a_block_that_is_too_much_for_clickhouse_is_halved_until_it_passes(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(deliver, "_SMALL_BYTES", 100)
    refusing(more_than=3, code=241, monkeypatch=monkeypatch)
    ids = put(10)
    deliver_often(4)
    assert Batch.objects.count() == 1, "it was halved before it was clear that it must be"
    deliver_often(1)
    assert Batch.objects.count() > 1
    deliver_often(20)
    assert_each_there_once(ids)
    assert Batch.objects.filter(state=Batch.State.SPLIT).count() == 3


def test_a_block_that_is_halved_is_no_failure_of_a_run(monkeypatch: Any) -> None:
    monkeypatch.setattr(deliver, "_SMALL_BYTES", 100)
    monkeypatch.setattr(deliver, "_FAILURES_IN_A_ROW", 1)
    refusing(more_than=1, code=241, monkeypatch=monkeypatch)
    ids = put(2)
    Batch.objects.update(attempts=deliver._ATTEMPTS_AS_A_WHOLE - 1)
    assert deliver.deliver_due()[:2] == (2, False)
    assert_each_there_once(ids)


def test_a_block_that_is_never_taken_is_not_cut_small_and_never_set_aside(
    monkeypatch: Any,
) -> None:
    with monkeypatch.context() as patched:
        refusing(more_than=0, code=241, monkeypatch=patched)
        ids = put(10)
        deliver_often(10)
        batch = Batch.objects.get()
        assert batch.state == Batch.State.PENDING
        # Its pause has begun: it is not left to whoever had claimed it.
        pause = timedelta(seconds=deliver._LONGEST_BACKOFF_SECONDS)
        assert batch.claimed_until is not None
        assert batch.claimed_until < datetime.now(UTC) + pause
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


@pytest.mark.parametrize("code", [285, 286, 319])
def test_a_block_that_waits_for_another_replica_is_repeated_as_it_is(
    monkeypatch: Any, code: int
) -> None:
    """It may be on one already: under two other tokens it would be there twice."""
    monkeypatch.setattr(deliver, "_SMALL_BYTES", 100)
    with monkeypatch.context() as patched:
        refusing(more_than=0, code=code, monkeypatch=patched)
        ids = put(10)
        deliver_often(8)
        assert Batch.objects.get().state == Batch.State.PENDING
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


def test_a_block_that_is_partly_there_is_not_halved(monkeypatch: Any) -> None:
    monkeypatch.setattr(deliver, "_SMALL_BYTES", 100)
    ids = sent_without_an_answer(4)
    drop_cold(ids[1:])
    with monkeypatch.context() as patched:
        refusing(more_than=0, code=241, monkeypatch=patched)
        deliver_often(8)
    assert Batch.objects.count() == 1
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


def test_halves_are_counted_once_though_the_block_was_counted_without_being_there(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(deliver, "_SMALL_BYTES", 100)
    ids = sent_without_an_answer(4)
    drop_cold(ids)
    refusing(more_than=2, code=241, monkeypatch=monkeypatch)
    deliver_often(8)
    assert Batch.objects.filter(state=Batch.State.SPLIT).count() == 1
    assert_each_there_once(ids)


def test_halves_of_a_refused_block_leave_out_what_has_arrived(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(4)
    lose_block(ids[2:])
    with monkeypatch.context() as patched:
        refusing(more_than=3, code=27, monkeypatch=patched)
        deliver.deliver_due()
    assert_each_there_once(ids)
    assert Batch.objects.filter(state=Batch.State.SPLIT).count() == 1


def test_a_refused_block_with_events_that_no_table_can_have_is_split_all_the_same() -> None:
    put(5)
    records = unframe(bytes(Batch.objects.get().payload or b""))
    records[0].occurred_at, records[2].event_id = "no time", "no id"
    records[4].occurred_at = "9999-01-01T00:00:00.000Z"
    Batch.objects.update(payload=frame(records), attempts=3)
    deliver.deliver_due()
    spoilt = {records[0].event_id, records[2].event_id}
    found = {
        str(row[0])
        for row in engine.query("SELECT toString(event_id) FROM events", project=DEFAULT)
    }
    assert found >= {record.event_id for record in (records[1], records[3])}
    assert not found & spoilt
    assert Batch.objects.filter(state=Batch.State.FAILED).count() >= 2


def test_nothing_is_left_of_a_refused_block_that_has_arrived(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(4)
    refusing(more_than=3, code=27, monkeypatch=monkeypatch)
    deliver.deliver_due()
    assert_each_there_once(ids)
    assert Batch.objects.count() == 1


def test_discarding_keeps_what_has_arrived_without_an_answer() -> None:
    ids = sent_without_an_answer(2)
    lose_block(ids[1:])
    Batch.objects.update(state=Batch.State.FAILED, attempts=2)
    failed.discard(Batch.objects.get().pk, by="me")
    assert {str(row.event_id) for row in Dedup.objects.all()} == set(ids[:1])
    assert {str(row.event_id) for row in HotEvent.objects.all()} == set(ids[:1])


def test_nothing_is_discarded_while_clickhouse_can_not_say_what_it_has(settings: Any) -> None:
    put(2)
    Batch.objects.update(state=Batch.State.FAILED, attempts=2)
    real = settings.CLICKHOUSE_URL
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(failed.NotFailed, match="ClickHouse may have some"):
        failed.discard(Batch.objects.get().pk, by="me")
    settings.CLICKHOUSE_URL = real
    assert Batch.objects.get().state == Batch.State.FAILED


def test_parts_of_a_refused_block_were_never_sent_and_ask_for_nothing(monkeypatch: Any) -> None:
    store(
        frames=[framed([event(event_id=str(uuid.uuid4()))])],
        source=Batch.Source.QUEUE,
        project=DEFAULT,
    )
    put(1)
    claim = deliver._claim()
    assert claim is not None
    monkeypatch.setattr(inventory, "copies", None)
    parking.split_or_park(claim.batch_id, attempt=1, reason="why")
    assert deliver.deliver_due()[:2] == (2, False)
