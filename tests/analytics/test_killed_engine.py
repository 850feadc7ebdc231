"""ClickHouse killed amid an insert: sent again, the block is there once, in the rollups too."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import pytest

from analytics import clickhouse, inserting
from analytics.maintenance.migrate import apply_schema
from projects.models import DEFAULT
from tests.analytics.histories import ASKED_FOR
from tests.analytics.killable import Engine, undo_rename
from tests.fixtures import empty_clickhouse
from tests.stored import cold

# So many that a kill meets the middle of their insert.
MONTHS = 240
# Each is a part, as there.
FEW = 12
HITS, TRIES = (3 if ASKED_FOR else 1), 60


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Engine"]:
    engine = Engine(tmp_path_factory.mktemp("own") / "clickhouse")
    yield engine
    engine.stop()


@pytest.fixture
def engine(own: "Engine", settings: Any) -> "Engine":
    """Empty."""
    settings.CLICKHOUSE_URL = own.url
    apply_schema(project=DEFAULT)
    empty_clickhouse()
    return own


def block(count: int = FEW) -> bytes:
    """An event, by a user of its own, in each of many months: each is a part and commits alone."""
    line = (
        '{{"event_id":"{0}","occurred_at":"{1}-{2:02}-05T00:00:00.000Z","user_id":"{0}",'
        '"event_type":"t","properties_text":{{}}}}\n'
    )
    months = range(count)
    return "".join(line.format(uuid4(), 2000 + n // 12, n % 12 + 1) for n in months).encode()


def insert(token: UUID, body: bytes) -> None:
    inserting.insert_block(token=str(token), body=body, compression=None, project=DEFAULT)


def test_killed_between_the_partitions_of_one_insert_it_doubles_nothing(engine: Engine) -> None:
    blocks = within = 0
    while within < HITS and blocks < TRIES:
        token, body = uuid4(), block(MONTHS)
        before = blocks * MONTHS
        _kill_during(engine, token, body, before)
        within += before < cold() < before + MONTHS
        insert(token, body)
        blocks += 1
        expect(blocks * MONTHS)
    assert within == HITS, "too few kills hit the middle of an insert"


def _kill_during(engine: Engine, token: UUID, body: bytes, before: int) -> None:
    def try_insert() -> None:
        with suppress(clickhouse.ClickHouseError):
            insert(token, body)

    thread = threading.Thread(target=try_insert)
    thread.start()
    while thread.is_alive() and cold() == before:
        pass
    time.sleep(random.uniform(0, 0.05))
    engine.kill()
    thread.join()
    engine.start()


def expect(count: int) -> None:
    rolled = {
        "events": "SELECT uniqExact(event_id) FROM events",
        "rows": "SELECT count() FROM events",
        "daily_events": "SELECT sum(events) FROM daily_events",
        "daily_users": "SELECT uniqExact(day, user_hash) FROM daily_users",
        "daily_users_by_type": "SELECT uniqExact(day, user_hash) FROM daily_users_by_type",
        "weekly_users": "SELECT uniqExact(user_hash) FROM weekly_users",
        "weekly_users_by_type": "SELECT uniqExact(user_hash) FROM weekly_users_by_type",
        "users": "SELECT uniqExact(user_hash) FROM users",
    }
    counted = " UNION ALL ".join(f"SELECT '{name}', ({sql})" for name, sql in rolled.items())
    assert dict(clickhouse.query(counted, project=DEFAULT)) == dict.fromkeys(rolled, count)


@pytest.mark.parametrize(
    "table",
    [
        *("events", "daily_events", "daily_users", "daily_users_by_type"),
        *("weekly_users", "weekly_users_by_type", "users"),
    ],
)
def test_killed_between_noting_a_token_and_keeping_its_part_it_loses_nothing(
    engine: Engine, table: str
) -> None:
    """The engine notes the token first: a part that was never renamed into place."""
    other, token, body = uuid4(), uuid4(), block()
    insert(other, block())
    insert(token, body)
    expect(2 * FEW)
    undo_rename(engine, table)
    insert(token, body)
    expect(2 * FEW)
    insert(token, body)
    expect(2 * FEW)


TORN = ["1\t200001_9_9_0\t20000", "1\t", "\0\0\0\0", "1\tpart\n"]


def test_a_line_that_was_cut_short_hides_no_token_noted_after_it(engine: Engine) -> None:
    first, second = (uuid4(), block()), (uuid4(), block())
    insert(*first)
    engine.kill()
    tear_logs(engine)
    engine.start()
    insert(*second)
    engine.kill()
    engine.start()
    for token, body in (first, second):
        insert(token, body)
    expect(2 * FEW)


def test_what_was_taken_back_after_a_line_cut_short_is_known_to_be_lost(engine: Engine) -> None:
    token, body = uuid4(), block()
    insert(token, body)
    undo_rename(engine, "events", torn=TORN[0])
    insert(token, body)
    expect(FEW)


def tear_logs(engine: Engine) -> None:
    """As a full disk or a kill would leave the logs of all tables: each of the pieces in one."""
    logs = [
        max(folder.glob("deduplication_log_*.txt"))
        for folder in engine.data.glob("store/*/*/deduplication_logs")
    ]
    assert any(log.stat().st_size for log in logs)
    assert len(logs) >= len(TORN)
    for log, torn in zip(logs, cycle(TORN), strict=False):
        with log.open("a") as file:
            file.write(torn)
