"""The edges of repairing the stores: copies, counts, and repairs cut short or two at once."""

import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from analytics.maintenance import surplus
from events.auditing import repair
from events.auditing.differences import Difference, Kind
from events.format.records import frame
from events.models import Batch, HotEvent
from events.postgres.repair_lock import alone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.events.auditing.damage import (
    YESTERDAY,
    agreeing,
    assert_rollups_hold_the_events,
    content,
    delivered,
    differing,
    double_cold,
    double_hot,
    drop_cold,
    drop_hot,
    drop_known,
    lose_block,
    put,
)
from tests.meanwhile import before, in_thread

pytestmark = pytest.mark.usefixtures("stores", "by_hand")


def test_equal_corrections_of_the_daily_counts_all_count() -> None:
    ids = delivered(3)
    for _ in range(2):
        double_cold(ids)
        agreeing("--repair")
        assert_rollups_hold_the_events()
    double_cold(ids)
    double_cold(ids)
    assert "3 doubled in ClickHouse" in differing(3)
    agreeing("--repair")
    assert_rollups_hold_the_events()


def test_surplus_that_came_past_the_views_is_not_taken_from_the_counts() -> None:
    delivered(3)
    engine.command("DETACH TABLE daily_events_view")
    try:
        double_cold([str(i) for i in HotEvent.objects.values_list("event_id", flat=True)])
    finally:
        engine.command("ATTACH TABLE daily_events_view")
    assert "3 doubled in ClickHouse" in differing(4)
    agreeing("--repair")
    assert_rollups_hold_the_events()


def test_lost_events_that_are_counted_only_in_part_are_counted_once_in_the_end() -> None:
    ids = delivered(10)
    lose_block(ids[:4])
    drop_cold(ids[4:])
    assert "10 missing in ClickHouse" in differing(11)
    agreeing("--repair")
    assert_rollups_hold_the_events()


def test_copies_that_are_not_alike_are_left_to_a_person() -> None:
    ids = delivered(2)
    sound = [kept for kept in repair._hot_records(DEFAULT, ids) if kept.event_id == ids[0]]
    sound[0].user_id = "another"
    engine.insert_block(token="unlike", body=frame(sound))
    double_cold(ids[1:])
    assert "2 doubled in ClickHouse" in differing(2)
    said = differing(1, "--repair")
    assert "1 reduced to one copy in ClickHouse" in said
    assert "1 have copies that differ: delete the wrong copies by hand" in said
    assert len(content()[0]) == 3


def test_a_merge_between_finding_surplus_rows_and_deleting_them_does_no_harm(
    monkeypatch: Any,
) -> None:
    ids = delivered(3)
    double_cold(ids)
    sound = content()[1]
    merge = lambda: engine.command("OPTIMIZE TABLE events FINAL")  # noqa: E731
    before(monkeypatch, surplus, "_delete", merge)
    agreeing("--repair")
    assert content()[1] == sound


def test_a_repair_cut_short_is_finished_by_the_next(monkeypatch: Any) -> None:
    ids = delivered(3)
    double_cold(ids)
    with monkeypatch.context() as patched:
        patched.setattr(surplus, "_delete", _killed)
        with pytest.raises(KeyboardInterrupt):
            call_command("verify_stores", "--repair")
    agreeing("--repair")
    assert_rollups_hold_the_events()
    assert len(content()[0]) == 3


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_only_one_repairs_at_a_time() -> None:
    drop_hot(delivered(2))
    refused: list[str] = []

    def second() -> None:
        try:
            call_command("verify_stores", "--repair")
        except CommandError as error:
            refused.append(str(error))

    with alone():
        in_thread(second)
    assert refused == ["another repair is running"]
    agreeing("--repair")


def test_an_event_that_is_sent_again_once_its_hot_row_is_restored_is_stored_once() -> None:
    ids = delivered(2)
    drop_hot(ids)
    drop_known(ids)
    assert repair.repair(Difference(DEFAULT, Kind.MISSING_HOT, YESTERDAY, ids)) == 2
    put(1, event_id=ids[0])
    assert HotEvent.objects.count() == 2
    agreeing()


def test_what_was_restored_already_is_not_restored_twice() -> None:
    ids = delivered(2)
    assert repair.repair(Difference(DEFAULT, Kind.MISSING_HOT, YESTERDAY, ids)) == 0
    assert HotEvent.objects.count() == 2
    agreeing()


def test_an_event_that_is_twice_in_the_hot_layer_is_sent_once() -> None:
    ids = delivered(2)
    lose_block(ids)
    double_hot(ids)
    assert repair.repair(Difference(DEFAULT, Kind.MISSING_COLD, YESTERDAY, ids)) == 2
    batch = Batch.objects.latest("id")
    assert (batch.received, batch.stored, batch.duplicates) == (2, 2, 0)
    assert len(content()[0]) == 2
    assert_rollups_hold_the_events()


@pytest.mark.parametrize("bound", ["the repair's", "that of a block"])
def test_many_lost_events_are_sent_a_bite_at_a_time(
    bound: str, monkeypatch: Any, settings: Any
) -> None:
    ids = delivered(3)
    lose_block(ids)
    if bound == "that of a block":
        settings.CLICKHOUSE_BATCH_SIZE = 2
    else:
        monkeypatch.setattr(repair, "_BITE", 2)
    known = set(Batch.objects.values_list("id", flat=True))
    assert repair.repair(Difference(DEFAULT, Kind.MISSING_COLD, YESTERDAY, ids)) == 3
    sent = Batch.objects.exclude(id__in=known).order_by("id")
    assert [batch.received for batch in sent] == [2, 1]
    assert_rollups_hold_the_events()


@pytest.mark.parametrize("kind", [Kind.MISSING_COLD, Kind.MISSING_HOT, Kind.MOVED])
def test_what_no_store_has_any_more_or_nobody_can_decide_is_not_repaired(kind: Kind) -> None:
    assert repair.repair(Difference(DEFAULT, kind, YESTERDAY, [str(uuid.uuid4())])) == 0
    assert not Batch.objects.exists()


def test_a_repair_logs_how_many_and_nothing_of_the_events() -> None:
    drop_hot(delivered(2, user_id="somebody"))
    with capture_logs() as logs:
        agreeing("--repair")
    [line] = [line for line in logs if line["event"] == "stores_repaired"]
    assert (line["kind"], line["found"], line["count"]) == ("missing_hot", 2, 2)
    assert "somebody" not in str(logs)
