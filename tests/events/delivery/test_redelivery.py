"""Blocks sent again: whatever an attempt without an answer has left, each event is there once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics import clickhouse as engine
from analytics import inserting
from analytics.maintenance import inventory
from analytics.maintenance.migrate import apply_schema
from events.delivery import deliver, redelivery
from events.format.records import unframe
from events.models import Batch
from events.postgres.repair_lock import alone
from projects.models import DEFAULT
from tests.analytics.killable import Engine, undo_rename
from tests.events.auditing.damage import drop_cold, lose_block, put
from tests.events.delivery.resending import (
    assert_each_there_once,
    due_again,
    sent_without_an_answer,
)
from tests.meanwhile import in_thread

pytestmark = pytest.mark.usefixtures("stores", "settled")


def test_a_first_attempt_asks_clickhouse_for_nothing(monkeypatch: Any) -> None:
    def asked(**_: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(inventory, "copies", asked)
    ids = put(3)
    assert deliver.deliver_due()[:2] == (1, False)
    assert_each_there_once(ids)


def test_all_that_was_there_is_left_as_it_is(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(4)
    monkeypatch.setattr(redelivery, "_put_right", None)
    assert deliver.deliver_due()[:2] == (1, False)
    assert_each_there_once(ids)


def test_a_rollup_that_lacks_what_the_events_have_gets_it() -> None:
    ids = put(4)
    claim = deliver._claim()
    assert claim is not None
    engine.command("DETACH TABLE daily_users_view", project=DEFAULT)
    try:
        inserting.insert_block(token=str(claim.batch_id), body=claim.payload, project=DEFAULT)
    finally:
        engine.command("ATTACH TABLE daily_users_view", project=DEFAULT)
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
    assert deliver.deliver_due()[:2] == (1, False)
    assert_each_there_once(ids)


def test_events_of_the_first_day_there_is_are_looked_for_too() -> None:
    ids = sent_without_an_answer(2, occurred_at="1970-01-01T00:00:00Z")
    drop_cold(ids)
    assert deliver.deliver_due()[:2] == (1, False)
    assert_each_there_once(ids)


# The places of a whole block's rows are more than an address has room for.
@pytest.mark.parametrize("count", [4, inventory.IDS_AT_ONCE + 1])
def test_events_that_are_there_without_their_token_are_not_doubled(count: int) -> None:
    ids = put(count)
    claim = deliver._claim()
    assert claim is not None
    inserting.insert_block(token="forgotten", body=claim.payload, project=DEFAULT)
    due_again()
    assert deliver.deliver_due()[:2] == (1, False)
    assert_each_there_once(ids)


def test_a_token_noted_without_its_part_and_never_mended_loses_nothing(
    unmended: Engine,
) -> None:
    for days in ("2025-01-05", "2025-02-05", "2026-03-05"):
        put(2, occurred_at=f"{days}T12:00:00.250Z")
    claim = deliver._claim()
    assert claim is not None
    inserting.insert_block(token=str(claim.batch_id), body=claim.payload, project=DEFAULT)
    undo_rename(unmended, "events")
    assert engine.query("SELECT count() FROM events", project=DEFAULT) == [[4]]
    due_again()
    assert deliver.deliver_due()[:2] == (1, False)
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
    apply_schema(project=DEFAULT)
    yield mending
    mending.stop()
    settings.CLICKHOUSE_URL = real


def test_what_is_confirmed_and_never_there_stays_in_the_outbox(monkeypatch: Any) -> None:
    ids = sent_without_an_answer(2)
    drop_cold(ids)
    tokens: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(
            inserting, "insert_block", lambda project, token, body: tokens.append(token)
        )
        for _ in range(2):
            due_again()
            deliver.deliver_due()
    batch = Batch.objects.get()
    assert tokens == [str(batch.pk), f"{batch.pk}/2", str(batch.pk), f"{batch.pk}/3"]
    assert "lacks events" in batch.error
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
