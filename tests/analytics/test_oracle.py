"""The comparison with the oracle: it notices the mistakes that reports are prone to."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from analytics import inserting, queries, reports
from analytics.zones import Zone
from tests import clickhouse as engine
from tests.analytics import written
from tests.analytics.comparison import OWN, compare
from tests.analytics.histories import History

pytestmark = pytest.mark.usefixtures("clickhouse")

WEEK, WEEK_FROM_SUNDAY = "toUInt16(toDate(occurred_at)) + 3", "toUInt16(toDate(occurred_at)) + 4"
TO_LAST_DAY, BEFORE_NEXT_DAY = "AND {end:Date}", "< {until:DateTime64(3, 'UTC')}"
# Bounds in another zone have a margin.
DAYS_LESS = f"{BEFORE_NEXT_DAY} - 3 * 86400"
# Its days are those of UTC, but they are read from moments, as those of any other zone.
LIKE_UTC = Zone("Africa/Abidjan")
RAW_WEEK, RAW_WEEK_FROM_SUNDAY = "{tz:String})) + 3)", "{tz:String})) + 4)"


def assert_noticed(history: History, zone: Zone = OWN) -> None:
    with pytest.raises(AssertionError, match=r"assert .* == "):
        compare(history.events, history.questions, blocks=history.blocks, zones=[zone])


@pytest.mark.parametrize(
    "name", ["WEEKS", "DAYS", "HALVES", "LAST_BIT", "YEARS_APART", "END_OF_MASK", "NOTHING"]
)
def test_without_a_mistake_a_written_history_is_answered_as_counted_by_hand(name: str) -> None:
    history: History = getattr(written, name)
    compare(history.events, history.questions, blocks=history.blocks)


def test_weeks_from_sunday_in_a_query_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(monkeypatch, "retention_raw", RAW_WEEK, RAW_WEEK_FROM_SUNDAY)
    assert_noticed(written.WEEKS)


@pytest.mark.parametrize("table", ["weekly_users", "weekly_users_by_type"])
def test_weeks_from_sunday_in_a_rollup_are_noticed(table: str) -> None:
    with rewritten_view(f"{table}_view", WEEK, WEEK_FROM_SUNDAY):
        assert_noticed(written.WEEKS)


def test_weeks_named_by_their_sunday_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_FIRST_MONDAY", reports._FIRST_MONDAY - timedelta(days=1))
    assert_noticed(written.WEEKS)


@pytest.mark.parametrize(
    ("query", "right", "wrong"),
    [
        ("daily_active_users", TO_LAST_DAY, "AND {end:Date} - 1"),
        ("daily_active_users_by_type", TO_LAST_DAY, "AND {end:Date} - 1"),
        ("top_events", TO_LAST_DAY, "AND {end:Date} - 1"),
        ("top_events", TO_LAST_DAY, "AND {end:Date} + 1"),
    ],
)
def test_a_last_day_left_out_or_passed_is_noticed(
    monkeypatch: pytest.MonkeyPatch, query: str, right: str, wrong: str
) -> None:
    """A day too many does no harm to daily active users, who are looked up by day."""
    rewrite(monkeypatch, query, right, wrong)
    assert_noticed(written.DAYS)


@pytest.mark.parametrize("query", ["daily_active_users_raw", "top_events_raw"])
def test_a_last_day_of_another_zone_left_out_is_noticed(
    monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    compare(written.DAYS.events, written.DAYS.questions, blocks=1, zones=[LIKE_UTC])
    rewrite(monkeypatch, query, BEFORE_NEXT_DAY, DAYS_LESS)
    assert_noticed(written.DAYS, LIKE_UTC)


@pytest.mark.parametrize("wrong", ["AND {end:Date} - 1", "AND {end:Date} + 1"])
def test_the_days_beside_that_bounds_in_utc_let_in_are_noticed(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(reports, "_ON_DAYS", replaced(reports._ON_DAYS, TO_LAST_DAY, wrong))
    assert_noticed(written.DAYS, LIKE_UTC)


@pytest.mark.parametrize("wrong", ["AND {end:Date} - 1", "AND {end:Date} + 1"])
def test_a_last_day_of_utc_left_out_or_passed_is_noticed(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(reports, "_UTC_DAYS", replaced(reports._UTC_DAYS, TO_LAST_DAY, wrong))
    assert_noticed(written.DAYS)


@pytest.mark.parametrize("after", [0, 127])
def test_a_week_past_the_mask_that_is_taken_for_one_in_it_is_noticed(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    epochs = reports._epochs

    def with_the_next(first: int) -> dict[str, int]:
        return {**epochs(first), "next_epoch": first // 128 + 1, "after": after}

    monkeypatch.setattr(reports, "_epochs", with_the_next)
    assert_noticed(written.END_OF_MASK)


def test_a_week_past_the_mask_of_events_that_is_taken_for_its_last_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rewrite(monkeypatch, "retention_raw", "{first:UInt16} + 127)", "{first:UInt16} + 128)")
    assert_noticed(written.END_OF_MASK)


def test_a_block_sent_again_under_another_token_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    insert = inserting.insert_block

    def forget_token(*, token: str, **given: Any) -> None:
        insert(token=f"{token} {uuid.uuid4()}", **given)

    monkeypatch.setattr(inserting, "insert_block", forget_token)
    assert_noticed(written.DAYS)


def test_a_rollup_alone_that_takes_a_block_twice_is_noticed() -> None:
    with forgetful("daily_events"):
        assert_noticed(written.DAYS)


def rewrite(monkeypatch: pytest.MonkeyPatch, query: str, right: str, wrong: str) -> None:
    """Until the test ends, that query has the mistake, with segments and without."""
    load = queries.load

    def load_wrongly(name: str) -> str:
        return replaced(load(name), right, wrong) if name == query else load(name)

    monkeypatch.setattr(queries, "load", load_wrongly)
    monkeypatch.setattr(reports, "load", load_wrongly)


def replaced(sql: str, right: str, wrong: str) -> str:
    if right not in sql:
        # No AssertionError, which would be taken for a mistake that was noticed.
        raise LookupError(f"{right} is not in {sql}")
    return sql.replace(right, wrong)


@contextmanager
def rewritten_view(name: str, right: str, wrong: str) -> Iterator[None]:
    [[sql]] = engine.query(
        "SELECT as_select FROM system.tables"
        " WHERE database = currentDatabase() AND name = {name:String}",
        parameters={"name": name},
    )
    modify = f"ALTER TABLE {name} MODIFY QUERY "
    engine.command(modify + replaced(sql, right, wrong))
    try:
        yield
    finally:
        engine.command(modify + sql)


@contextmanager
def forgetful(table: str) -> Iterator[None]:
    """The table notes no tokens."""
    modify = f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = "
    engine.command(modify + "0")
    try:
        yield
    finally:
        engine.command(modify + "100000")
