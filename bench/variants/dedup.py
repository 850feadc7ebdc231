"""Compares ingest with an empty dedup table and with a table that has millions of ids.

In a table that has grown for long, the ids lie at random in the index, whose pages are 70 % full.
PostgreSQL logs a page whole when it is first changed after a checkpoint. So two moments are
compared: just after a checkpoint, and when nearly all pages have been logged since.
"""

import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from bench import ingest, sample, stack, table
from bench.stack import Stack
from bench.variants import compare

_SLICE = 5_000_000
_PROBE_IDS = 10_000
_PROBES = 3
# Random changes per page of the index. After these, 1 page in 150 is still unchanged.
_CHANGES_A_PAGE = 5
_PROBE = (
    "EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON)"
    " INSERT INTO dedup_1 (event_id) SELECT unnest(%s::uuid[])"
)


class _Side(NamedTuple):
    name: str
    running: Stack


def run(*, events: int, known: int, rounds: int) -> str:
    with stack.running() as empty, stack.running() as full:
        for running in (empty, full):
            ingest.warm(running)
        fill(full, known)
        sides = [_Side("empty at first", empty), _Side(f"{known:,} ids", full)]
        found: dict[str, dict[str, list[Mapping[str, float]]]] = {}
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
                for load, figures in _measured(side.running, events, seed=1000 * (turn + 1)):
                    found.setdefault(load, {s.name: [] for s in sides})
                    found[load][side.name].append(figures)
                    compare.say(f"round {turn + 1}, {side.name}, {load}: {figures}")
        sizes = [f"{side.name}: {_sizes(side.running)}" for side in sides]
    return "\n".join([table.of_variants("dedup", found), "", *sizes])


def fill(running: Stack, rows: int) -> None:
    """Fill `dedup` with random ids, and rebuild its index as full as that of a grown table."""
    began = time.perf_counter()
    with _connected(running) as connection:
        # With wal_level minimal, a table emptied in the same transaction is not logged.
        with connection.transaction():
            connection.execute("ALTER TABLE dedup_1 DROP CONSTRAINT dedup_1_pkey")
            connection.execute("TRUNCATE dedup")
            for start in range(0, rows, _SLICE):
                _insert_random(connection, min(_SLICE, rows - start))
            connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
            connection.execute(
                "ALTER TABLE dedup_1 ADD CONSTRAINT dedup_1_pkey PRIMARY KEY (event_id)"
                " WITH (fillfactor = 70)"
            )
        connection.execute("ALTER INDEX dedup_1_pkey RESET (fillfactor)")
        # Otherwise autovacuum would run during the measurement.
        connection.execute("VACUUM (ANALYZE) dedup")
        connection.execute("CHECKPOINT")
    compare.say(f"{rows:,} ids in {time.perf_counter() - began:.0f} s: {_sizes(running)}")


def _measured(running: Stack, events: int, *, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    _log_pages(running)
    # This logs the pages of the hot layer as well.
    _send(running, events // 2, seed=seed + 3, make_id=sample.ordered_id)
    yield (
        "UUIDv4, pages logged before",
        _figures(running, events, seed=seed, make_id=sample.random_id),
    )
    yield "UUIDv7", _figures(running, events, seed=seed + 1, make_id=sample.ordered_id)
    with _connected(running) as connection:
        connection.execute("CHECKPOINT")
    yield (
        "UUIDv4, after a checkpoint",
        _figures(running, events, seed=seed + 2, make_id=sample.random_id),
    )


def _log_pages(running: Stack) -> None:
    """Change nearly every page of the index, and wait until all is on disk."""
    with _connected(running) as connection:
        connection.execute("CHECKPOINT")
        size = connection.execute("SELECT pg_relation_size('dedup_1_pkey') / 8192").fetchone()
        assert size is not None
        _insert_random(connection, size[0] * _CHANGES_A_PAGE)
    os.sync()


def _insert_random(connection: "psycopg.Connection[Any]", rows: int) -> None:
    connection.execute(
        "INSERT INTO dedup_1 (event_id) SELECT gen_random_uuid() FROM generate_series(1, %s)",
        [rows],
    )


def _figures(running: Stack, events: int, *, seed: int, make_id: sample.MakeId) -> dict[str, float]:
    probed = _probed(running, make_id, seed)
    with _connected(running) as connection:
        before = _wal_bytes(connection)
        sent = _send(running, events, seed=seed, make_id=make_id)
        logged = _wal_bytes(connection) - before
    return {
        "events/s": sent.rate,
        "PostgreSQL, µs of CPU an event": sent.cpu["postgres"] / events * 1e6,
        "WAL, bytes an event": logged / events,
        **probed,
    }


def _send(running: Stack, events: int, *, seed: int, make_id: sample.MakeId) -> ingest.Sent:
    bodies = sample.bodies(events, size=1000, seed=seed, days=6, make_id=make_id)
    return ingest.send(running, bodies, events, clients=4)


def _probed(running: Stack, make_id: sample.MakeId, seed: int) -> dict[str, float]:
    """The cost of inserting sorted ids into `dedup` alone, with commit: the median of some runs."""
    chance = random.Random(f"probes {seed}")  # noqa: S311 - not the ids of the events
    probes = []
    with _connected(running) as connection:
        for _ in range(_PROBES):
            now = int(time.time() * 1000)
            ids = sorted(make_id(chance, now + n // 100) for n in range(_PROBE_IDS))
            began = time.perf_counter()
            answer = connection.execute(_PROBE, [ids]).fetchone()
            seconds = time.perf_counter() - began
            assert answer is not None
            plan = answer[0][0]["Plan"]
            probes.append(
                {
                    "dedup alone, ms for 10,000 ids": seconds * 1000,
                    "pages read": plan["Shared Read Blocks"],
                    "pages written to make room": plan["Shared Written Blocks"],
                    "whole pages logged": plan.get("WAL FPI", 0),
                }
            )
    return sorted(probes, key=lambda probe: next(iter(probe.values())))[_PROBES // 2]


def _wal_bytes(connection: "psycopg.Connection[Any]") -> int:
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def _sizes(running: Stack) -> str:
    with _connected(running) as connection:
        row = connection.execute(
            "SELECT count(*), pg_table_size('dedup_1') >> 20,"
            " pg_relation_size('dedup_1_pkey') >> 20"
            " FROM dedup"
        ).fetchone()
    assert row is not None
    return f"{row[0]:,} ids, table {row[1]:,} MB, index {row[2]:,} MB"


@contextmanager
def _connected(running: Stack) -> "Iterator[psycopg.Connection[Any]]":
    """Every statement commits by itself."""
    with psycopg.connect(running.addresses()["DATABASE_URL"], autocommit=True) as connection:
        yield connection
