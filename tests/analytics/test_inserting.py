"""Blocks that count once, and are taken whole or not at all."""

import json
import uuid
from datetime import date
from typing import Any

import pytest
import zstandard

from analytics import clickhouse, reports
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics.comparison import OWN

ROLLUPS = {
    "events": "count()",
    "daily_events": "sum(events)",
    "daily_users": "count()",
    "daily_users_by_type": "count()",
    "weekly_users": "count()",
    "weekly_users_by_type": "count()",
    "users": "count()",
}


def line(**changes: Any) -> bytes:
    row = {
        "event_id": str(uuid.uuid4()),
        "occurred_at": "2025-01-06T00:00:00.123Z",
        "user_id": "u1",
        "event_type": "view",
        "properties_text": {"plan": 1},
        **changes,
    }
    return json.dumps(row).encode() + b"\n"


def block(*lines: bytes) -> bytes:
    return zstandard.compress(b"".join(lines))


def stored() -> dict[str, int]:
    """Rows of each table; its own sum where rows stand for many."""
    return {
        table: int(engine.query(f"SELECT {rows} FROM {table}")[0][0])
        for table, rows in ROLLUPS.items()
    }


@pytest.mark.usefixtures("clickhouse")
def test_a_block_sent_again_under_its_token_changes_no_table() -> None:
    months = [f"{year}-{month:02}-15T12:00:00Z" for year in (1999, 2024) for month in range(1, 13)]
    body = block(*(line(occurred_at=at, user_id=f"u{at}") for at in months))
    for _ in range(3):
        engine.insert_block(token="one", body=body)
    assert stored() == dict.fromkeys(ROLLUPS, 24)


@pytest.mark.usefixtures("clickhouse")
def test_equal_content_under_another_token_is_kept() -> None:
    body = block(line())
    engine.insert_block(token="one", body=body)
    engine.insert_block(token="two", body=body)
    assert stored()["events"] == stored()["daily_events"] == 2


@pytest.mark.usefixtures("clickhouse")
def test_a_user_of_two_blocks_is_one_user_before_any_merge() -> None:
    for token in ("one", "two"):
        engine.insert_block(token=token, body=block(line(), line(event_type="buy")))
    day = date(2025, 1, 6)
    assert (
        reports.daily_active_users(project=DEFAULT, zone=OWN, start=day, end=day)[0].unique_users
        == 1
    )
    assert (
        reports.retention(project=DEFAULT, zone=OWN, start=day, windows=1, today=day)[0].size == 1
    )


@pytest.mark.usefixtures("clickhouse")
def test_a_late_event_moves_its_user_to_the_earlier_cohort() -> None:
    engine.insert_block(token="one", body=block(line(occurred_at="2025-01-06T00:00:00Z")))
    engine.insert_block(token="two", body=block(line(occurred_at="2022-06-08T00:00:00Z")))
    rows = reports.retention(
        project=DEFAULT, zone=OWN, start=date(2022, 1, 1), windows=63, today=date(2025, 1, 8)
    )
    assert [(row.monday, row.size) for row in rows] == [(date(2022, 6, 6), 1)]


@pytest.mark.usefixtures("clickhouse")
def test_frames_one_after_another_are_one_block() -> None:
    engine.insert_block(token="one", body=block(line()) + block(line(), line()))
    engine.insert_block(token="plain", body=line(), compression=None)
    assert stored()["events"] == 4


@pytest.mark.usefixtures("clickhouse")
def test_properties_keep_the_text_they_were() -> None:
    text = b'{"n":null, "big":12345678901234567890123, "day":"2026-01-01", "a.b":1, "a":{"b":2.0}}'
    body = line(properties_text="@").replace(b'"@"', text)
    engine.insert_block(token="one", body=block(body))
    sql = "SELECT properties_text, JSONAllPathsWithTypes(properties) FROM events"
    ((kept, paths),) = engine.query(sql)
    assert kept.encode() == text
    assert paths == {"a%2Eb": "Int64", "a.b": "Float64", "big": "String", "day": "String"}


@pytest.mark.usefixtures("clickhouse")
@pytest.mark.parametrize(
    "bad",
    [line(event_id="no uuid"), line(occurred_at="yesterday"), b"not json\n", line(surprise=1)],
)
def test_a_row_that_can_not_be_taken_refuses_its_whole_block(bad: bytes) -> None:
    with pytest.raises(clickhouse.ClickHouseRefused) as refused:
        engine.insert_block(token="one", body=block(line(), bad))
    assert refused.value.code is not None
    assert stored() == dict.fromkeys(ROLLUPS, 0)


@pytest.mark.usefixtures("clickhouse")
def test_a_missing_table_is_not_the_blocks_fault(settings: Any) -> None:
    settings.CLICKHOUSE_URL = settings.CLICKHOUSE_URL.rsplit("/", 1)[0] + "/never_migrated"
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        engine.insert_block(token="one", body=block(line()))


def test_a_block_for_a_server_that_is_not_there_may_be_sent_again(settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        engine.insert_block(token="one", body=block(line()))
