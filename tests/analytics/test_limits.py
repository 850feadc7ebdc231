"""Reports that are too much: for the rows, the time or the memory that one may take."""

from typing import Any

import pytest
from django.test import Client

from tests import clickhouse as engine

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

RETENTION = "/stats/retention?start_date=2025-01-06&windows=1&segment=not(user_id):nobody"


def have_users(users: int) -> None:
    """Beside the rollups, which these reports don't read, and which would take longer to fill."""
    engine.command("CREATE TABLE users_beside AS events")
    engine.command(
        "INSERT INTO users_beside (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-06 00:00:00', 3, 'UTC'),"
        " toString(number), 'view', '{}' FROM numbers({users:UInt64})",
        parameters={"users": users},
    )
    engine.command("ALTER TABLE events ATTACH PARTITION 202501 FROM users_beside")
    engine.command("DROP TABLE users_beside")


def refused(client: Client, query: str = RETENTION) -> str:
    answer = client.get(query)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    return str(answer.json()["detail"])


def test_where_memory_is_short_a_report_goes_on_by_way_of_the_disk(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the disk 72 MB are nearly always enough, now and then 88 are not. Without it 160 are not.
    have_users(users := 4_500_000)
    settings.CLICKHOUSE_QUERY_MEGABYTES = 128
    answer = client.get(RETENTION)
    assert answer.status_code == 200, answer.content
    [cohort] = answer.json()
    assert (cohort["cohort_week"], cohort["week_0"]) == ("2025-01-06", users)
    monkeypatch.setattr("analytics.asking._SPILL_SHARE", 0)
    assert "too much memory" in refused(client)


def test_too_little_memory_rows_or_time_is_said_with_the_setting_to_raise(
    client: Client, settings: Any
) -> None:
    have_users(users := 200_000)
    settings.CLICKHOUSE_QUERY_MEGABYTES = 1
    assert "CLICKHOUSE_QUERY_MEGABYTES" in refused(client)
    settings.CLICKHOUSE_QUERY_MEGABYTES = 1024
    settings.CLICKHOUSE_QUERY_ROWS = users - 1
    assert "CLICKHOUSE_QUERY_ROWS" in refused(client)
    settings.CLICKHOUSE_QUERY_ROWS = users
    assert client.get(RETENTION).status_code == 200
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = 0.01
    assert "CLICKHOUSE_QUERY_TIMEOUT_SECONDS" in refused(client)
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = 30
    assert client.get(RETENTION).status_code == 200
