"""Blocks sent again: whatever an attempt without an answer has left, each event is there once."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics import clickhouse as engine
from analytics.maintenance import daily_counts, inventory
from analytics.maintenance.migrate import apply_schema
from events.auditing import failed
from events.delivery import background, deliver, parking, redelivery
from events.format.records import frame, unframe
from events.models import Batch, Dedup, HotEvent
from events.postgres.repair_lock import alone
from events.storing.store import store
from tests.analytics.test_killed_engine import Engine, undo_rename
from tests.events.auditing.damage import assert_rollups_hold_the_events, drop_cold, lose_block, put
from tests.events.auditing.meanwhile import in_thread
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: Any) -> None:
    """Nothing is delivered but by the test, and nothing worth waiting for is on its way."""
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(redelivery, "_SETTLE_SECONDS", 0.001)


def sent_without_an_answer(count: int, **changes: Any) -> list[str]:
    """Events of a batch that ClickHouse has, and nobody was told; the ids."""
    ids = put(count, **changes)
    claim = deliver._claim()
    assert claim is not None
    engine.insert_block(token=str(claim.batch_id), body=claim.payload)
    due_again()
    return ids


def due_again() -> None:
    Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=None)


def assert_each_there_once(ids: list[str]) -> None:
    found = engine.query("SELECT toString(event_id), count() FROM events GROUP BY 1")
    assert {str(event_id): count for event_id, count in found} == dict.fromkeys(ids, 1)
    assert_rollups_hold_the_events()
    assert not Batch.objects.filter(state=Batch.State.PENDING).exists()


def test_a_first_attempt_asks_clickhouse_for_nothing(monkeypatch: Any) -> None:
    def asked(**_: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(inventory, "copies", asked)
    ids = put(3)
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once(ids)


def test_all_that_was_there_is_left_as_it_is(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(4)
    monkeypatch.setattr(redelivery, "_put_right", None)
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once(ids)


def test_a_rollup_that_lacks_what_the_events_have_gets_it() -> None:
    ids = put(4)
    claim = deliver._claim()
    assert claim is not None
    engine.command("DETACH TABLE daily_users_view")
    try:
        engine.insert_block(token=str(claim.batch_id), body=claim.payload)
    finally:
        engine.command("ATTACH TABLE daily_users_view")
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


@pytest.mark.parametrize("lost", [1, 4])
@pytest.mark.parametrize("lose", [drop_cold, lose_block])
def test_events_that_are_confirmed_and_not_there_are_sent_under_another_token(
    lost: int, lose: Callable[[list[str]], None]
) -> None:
    """Whether the daily counts have them or not."""
    ids = sent_without_an_answer(4)
    lose(ids[:lost])
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once(ids)


def test_events_of_the_first_day_there_is_are_looked_for_too() -> None:
    ids = sent_without_an_answer(2, occurred_at="1970-01-01T00:00:00Z")
    drop_cold(ids)
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once(ids)


# The places of a whole block's rows are more than an address has room for.
@pytest.mark.parametrize("count", [4, inventory.IDS_AT_ONCE + 1])
def test_events_that_are_there_without_their_token_are_not_doubled(count: int) -> None:
    ids = put(count)
    claim = deliver._claim()
    assert claim is not None
    engine.insert_block(token="forgotten", body=claim.payload)
    due_again()
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once(ids)


def test_a_token_noted_without_its_part_and_never_mended_loses_nothing(
    unmended: Engine,
) -> None:
    for days in ("2025-01-05", "2025-02-05", "2026-03-05"):
        put(2, occurred_at=f"{days}T12:00:00.250Z")
    claim = deliver._claim()
    assert claim is not None
    engine.insert_block(token=str(claim.batch_id), body=claim.payload)
    undo_rename(unmended, "events")
    assert engine.query("SELECT count() FROM events") == [[4]]
    due_again()
    assert deliver.deliver_due() == (1, False)
    assert_each_there_once([record.event_id for record in unframe(claim.payload)])


_UNMENDED = (
    "import sys; from embedded.gateway import __main__, deduplication;"
    " deduplication.mend = lambda data: 0; sys.exit(__main__.main())"
)


@pytest.fixture
def unmended(tmp_path: Path, settings: Any) -> Iterator[Engine]:
    """An engine that believes its record of tokens, as a server without our gateway does."""
    real = settings.CLICKHOUSE_URL
    mending = Engine(tmp_path / "clickhouse")
    mending.stop()
    python, _, _, *arguments = mending._program.command
    mending._program = replace(mending._program, command=[python, "-c", _UNMENDED, *arguments])
    mending.start()
    settings.CLICKHOUSE_URL = mending.url
    apply_schema()
    yield mending
    mending.stop()
    settings.CLICKHOUSE_URL = real


def test_what_is_confirmed_and_never_there_stays_in_the_outbox(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(2)
    drop_cold(ids)
    tokens: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(engine, "insert_block", lambda token, body: tokens.append(token))
        for _ in range(2):
            due_again()
            deliver.deliver_due()
    batch = Batch.objects.get()
    assert tokens == [str(batch.pk), f"{batch.pk}/2", str(batch.pk), f"{batch.pk}/3"]
    assert "not there" in batch.error
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


def test_while_the_stores_are_being_repaired_a_doubtful_block_waits() -> None:
    ids = sent_without_an_answer(2)
    drop_cold(ids[:1])
    with alone():
        in_thread(deliver.deliver_due)
    assert "another repair is running" in Batch.objects.get().error
    due_again()
    deliver.deliver_due()
    assert_each_there_once(ids)


# --- split, set aside, discarded


def refusing(*, more_than: int, code: int, monkeypatch: Any) -> None:
    """ClickHouse takes blocks of so many events and no larger ones."""
    real = engine.insert_block

    def insert_block(*, token: str, body: bytes) -> None:
        if len(unframe(body)) > more_than:
            content = code in engine._CONTENT
            kind = engine.ClickHouseRefused if content else engine.ClickHouseUnavailable
            raise kind("too much", code=code)
        real(token=token, body=body)

    monkeypatch.setattr(engine, "insert_block", insert_block)


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
    assert deliver.deliver_due() == (2, False)
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


def test_a_block_of_which_some_is_there_is_not_halved(monkeypatch: Any) -> None:
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
    found = {str(row[0]) for row in engine.query("SELECT toString(event_id) FROM events")}
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
    with pytest.raises(failed.NotFailed, match="may have arrived"):
        failed.discard(Batch.objects.get().pk, by="me")
    settings.CLICKHOUSE_URL = real
    assert Batch.objects.get().state == Batch.State.FAILED


def test_parts_of_a_refused_block_were_never_sent_and_ask_for_nothing(monkeypatch: Any) -> None:
    store(frames=[framed([event(event_id=str(uuid.uuid4()))])], source=Batch.Source.QUEUE)
    put(1)
    claim = deliver._claim()
    assert claim is not None
    monkeypatch.setattr(inventory, "copies", None)
    parking.split_or_park(claim.batch_id, attempt=1, reason="why")
    assert deliver.deliver_due() == (2, False)
