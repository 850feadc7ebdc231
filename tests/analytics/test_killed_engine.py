"""ClickHouse killed amid an insert: sent again, the block is there once, in the rollups too."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from analytics import clickhouse
from analytics.migrate import apply_schema
from embedded import clickhouse as server
from embedded import ports
from embedded.processes import Process

MONTHS = 240
HITS, TRIES = 3, 60


@pytest.fixture
def engine(tmp_path: Path, settings: Any) -> Iterator["Engine"]:
    engine = Engine(tmp_path / "clickhouse")
    settings.CLICKHOUSE_URL = engine.url
    apply_schema()
    yield engine
    engine.stop()


class Engine:
    """A ClickHouse of its own that can be killed and started again on its data."""

    def __init__(self, folder: Path) -> None:
        self._program = server.program(folder, port=ports.pick_free())
        self.url = self._program.url
        self.start()

    def start(self) -> None:
        self._process = Process(self._program).start()

    def kill(self) -> None:
        self._process.process.kill()  # type: ignore[union-attr]
        self._process.process.wait()  # type: ignore[union-attr]
        self.stop()

    def stop(self) -> None:
        self._process.__exit__()


def block() -> bytes:
    """An event in each of many months: each month is a part of its own, and commits on its own."""
    line = (
        '{{"event_id":"{}","occurred_at":"{}-{:02}-05T00:00:00.000Z","user_id":"u",'
        '"event_type":"t","properties_text":{{}}}}\n'
    )
    months = range(MONTHS)
    return "".join(line.format(uuid4(), 2000 + n // 12, n % 12 + 1) for n in months).encode()


def insert(token: UUID, body: bytes) -> None:
    clickhouse.insert_block(token=str(token), body=body, compression=None)


def rows() -> int:
    [[count]] = clickhouse.query("SELECT count() FROM events")
    return int(count)


def test_killed_between_the_partitions_of_one_insert_it_doubles_nothing(engine: Engine) -> None:
    blocks = within = 0
    while within < HITS and blocks < TRIES:
        token, body = uuid4(), block()
        before = blocks * MONTHS
        _kill_during(engine, token, body, before)
        within += before < rows() < before + MONTHS
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
    while thread.is_alive() and rows() == before:
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
    }
    assert {name: clickhouse.query(sql) for name, sql in rolled.items()} == {
        name: [[count]] for name in rolled
    }
    [[days]] = clickhouse.query("SELECT uniqExact(day) FROM daily_users")
    assert days == MONTHS
