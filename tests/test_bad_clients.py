"""Clients that are no enemies and still do harm: a million keys, thirty years, the same again."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import Client

from analytics import clickhouse as engine
from events.models import Batch, Dedup, HotEvent
from events.storing import purge
from projects.models import DEFAULT
from tests.events.queueing.workers import unacknowledged, worker
from tests.faults.audit import ROLLUPS, differing
from tests.posting import post_taken
from tests.samples import event
from tests.stored import cold, deliver_all
from tests.waiting import wait_until
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")

KEYS_OF_AN_EVENT = 250
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
YESTERDAY = f"{NOON - timedelta(days=1):%Y-%m-%d}"


# --- A million keys -----------------------------------------------------------------------------


def many_keys(number: int) -> dict[str, Any]:
    """An event none of whose keys any other event has; half of the values are text."""
    first = number * KEYS_OF_AN_EVENT
    keys = range(first, first + KEYS_OF_AN_EVENT)
    properties = {f"key_{key}": f"value {key}" if key % 2 else key for key in keys}
    at = (NOON - timedelta(days=1)).isoformat()
    return event(user_id=f"u{number}", occurred_at=at, properties=properties)


def found(client: Client, segment: str) -> int:
    path = f"/stats/dau?from={YESTERDAY}&to={YESTERDAY}&segment={segment}"
    return int(client.get(path).json()[0]["unique_users"])


def seconds_for_an_ordinary_block(client: Client) -> float:
    began = time.monotonic()
    post_taken(client, [event() for _ in range(1000)], "?wait=true")
    deliver_all()
    return time.monotonic() - began


def post_many_keys(client: Client, events: int) -> None:
    for first in range(0, events, 250):
        post_taken(client, [many_keys(first + n) for n in range(250)], "?wait=true")
    deliver_all()


def test_a_million_keys_are_stored_and_found(client: Client) -> None:
    post_many_keys(client, 4000)
    assert cold() == Dedup.objects.count() == 4000
    assert not Batch.objects.exclude(error="").exists()
    for key in (1, 499_999, 999_999):
        assert found(client, f"properties.key_{key}:value {key}") == 1
    assert found(client, "properties.key_500000:500000") == 1
    assert found(client, "properties.key_500000:1") == 0
    assert seconds_for_an_ordinary_block(client) < 5


@pytest.mark.slow
def test_parts_with_many_keys_merge(client: Client) -> None:
    """What can't be merged piles up until ClickHouse takes no more."""
    for _ in range(3):
        post_many_keys(client, 2000)
    engine.command("OPTIMIZE TABLE events FINAL", project=DEFAULT)
    [[parts]] = engine.query(
        "SELECT count() FROM system.parts WHERE active AND table = 'events'"
        " AND database = currentDatabase()",
        project=DEFAULT,
    )
    assert parts == 1
    assert found(client, "properties.key_123:value 123") == 1


# --- Thirty years -------------------------------------------------------------------------------


def test_thirty_years_in_one_request_arrive_in_both_layers_and_the_rollups(client: Client) -> None:
    months = 30 * 12 + 2
    days = [NOON - timedelta(days=30.4 * month) for month in range(months)]
    sent = [
        event(user_id=f"u{n % 7}", event_type=f"t{n % 3}", occurred_at=at.isoformat())
        for n, at in enumerate(day for day in days for _ in range(3))
    ]
    with worker():
        post_taken(client, sent)
        wait_until(Batch.objects.filter(state=Batch.State.DELIVERED).exists, seconds=60)
    # The rollups show a block a moment after the events do.
    assert cold() == len(sent)
    [[distinct]] = engine.query(
        "SELECT uniqExact(toYYYYMM(occurred_at)) FROM events", project=DEFAULT
    )
    assert distinct > 350
    assert engine.query(differing(ROLLUPS), project=DEFAULT) == []
    span = f"from={days[-1]:%Y-%m-%d}&to={NOON:%Y-%m-%d}"
    counted = client.get(f"/stats/top-events?{span}").json()
    assert [row["count"] for row in counted] == [months] * 3


# --- The same for ever --------------------------------------------------------------------------

POSTS = 15
EVENTS = 3_000


def size(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
        return int(cursor.fetchone()[0])


def redis_bytes() -> int:
    memory: Any = redis.from_url(settings.REDIS_URL).info("memory")
    return int(memory["used_memory"])


def test_the_same_events_sent_again_and_again_are_stored_once_and_leave_little(web: Web) -> None:
    body = json.dumps([event(user_id=f"u{n}") for n in range(EVENTS)]).encode()
    tables = ("dedup_1", "hot_events", "batches")
    memory = redis_bytes()
    with worker():
        assert web.status(body) == 202
        wait_until(lambda: cold() == EVENTS, seconds=60)
        before = {table: size(table) for table in tables}
        for _ in range(POSTS - 1):
            assert web.status(body) == 202
        wait_until(lambda: unacknowledged() == 0, seconds=120)
    grown = {table: size(table) - before[table] for table in tables}
    assert Dedup.objects.count() == HotEvent.objects.count() == cold() == EVENTS
    assert not Batch.objects.exclude(payload=None).exists()
    # Less than nothing where autovacuum gave back what earlier rows had left.
    assert grown["dedup_1"] <= 0
    assert grown["hot_events"] <= 0
    # A row for some of the posts, of 200 bytes with its indexes.
    assert grown["batches"] < POSTS * 2_000
    assert redis_bytes() - memory < 2_000_000
    assert_the_records_go_with_time()


def assert_the_records_go_with_time() -> None:
    Batch.objects.update(created_at=datetime.now(UTC) - timedelta(days=31))
    count = Batch.objects.count()
    assert purge.purge_batches(now=datetime.now(UTC)) == count
    assert not Batch.objects.exists()
