"""Fixtures around the real stores: each test that names one finds it empty."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django_redis import get_redis_connection

from analytics import clickhouse as engine
from analytics.migrate import apply_schema
from events.keyring import keyring
from events.models import Batch
from tests.waiting import deliver_all


@pytest.fixture(scope="session")
def clickhouse_schema() -> None:
    apply_schema()


@pytest.fixture
def clickhouse(clickhouse_schema: None) -> None:
    """ClickHouse with our tables, empty."""
    empty_clickhouse()


def empty_clickhouse() -> None:
    tables = engine.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND engine LIKE '%MergeTree' AND name != 'schema_files'"
    )
    for (name,) in tables:
        engine.command("TRUNCATE TABLE {name:Identifier}", parameters={"name": name})


@pytest.fixture
def stores(transactional_db: None, clickhouse: None) -> Iterator[None]:
    """All stores empty and commits real."""
    yield
    # Or this process's delivery thread would go on into the next test. Whoever was killed in the
    # test delivers no more.
    Batch.objects.update(claimed_until=None)
    deliver_all()
    # pytest-django's flush knows managed tables only.
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE hot_events")


@pytest.fixture(autouse=True)
def _empty_redis() -> None:
    """No test inherits a rate limit or a queued message."""
    for alias in ("default", "rate_limit"):
        get_redis_connection(alias).flushdb()


@pytest.fixture(autouse=True)
def _no_keys() -> None:
    """No test inherits the API keys that this process has read."""
    keyring.forget()
