"""The state of the stores, read at each scrape: queue, outbox, hot layer, workers, disks.

If a store does not answer, its gauges are left out and `store_up` is 0. The scrape continues.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

from django.db import connection, transaction
from django_redis import get_redis_connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from structlog import get_logger

from analytics import clickhouse, cluster
from analytics.queries import load as load_query
from config import brokers
from config.monitoring import liveness
from events.queueing import backpressure
from events.sql import load

_Sample = tuple[str, str, list[tuple[dict[str, str], float]]]
_Reader = Callable[[], Iterator[_Sample]]
# Prometheus gives up after 10 seconds.
_PATIENCE_SECONDS = 3
_PATIENCE = f"{_PATIENCE_SECONDS}s"
KEPT_SECONDS = 1.0

log = get_logger(__name__)


class State(Collector):
    """A collector of prometheus_client."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = {}
        for store, samples in _read_all(_PATIENCE_SECONDS * 2).items():
            up[store] = float(samples is not None)
            yield from (_family(*sample) for sample in samples or [])
        values = [({"store": store}, value) for store, value in up.items()]
        yield _family("store_up", "1 if the store answers, 0 if it does not.", values)


def _readers() -> dict[str, _Reader]:
    return {
        "postgresql": _postgresql,
        brokers.current().NAME: _broker,
        "rate_limit": _rate_limit,
        "clickhouse": _clickhouse,
    }


def values(seconds: float) -> dict[str, dict[str, float] | None]:
    """For each store its gauges by name, for people.

    None if the store fails, or has not answered after so many seconds. They are kept for a second,
    so that nobody can have the stores asked as fast as they can send requests.
    """
    with _keeping:
        if not _kept or time.monotonic() - _kept[0][0] > KEPT_SECONDS:
            found = {store: _by_name(samples) for store, samples in _read_all(seconds).items()}
            _kept[:] = [(time.monotonic(), found)]
        return _kept[0][1]


def forget() -> None:
    """Go back to the state of a process that has just started."""
    _kept.clear()


def _by_name(samples: list[_Sample] | None) -> dict[str, float] | None:
    return None if samples is None else {name: found[0][1] for name, _, found in samples}


def _read_all(seconds: float) -> dict[str, list[_Sample] | None]:
    """The samples of each store; None if it fails, or has no answer after so many seconds."""
    readers = _readers()
    with _asking:
        for store, reader in readers.items():
            # A store that hangs gets no new query until it has answered or failed.
            if store not in _asked or _asked[store].done():
                _asked[store] = _threads.submit(_samples, store, reader)
        asked = {store: _asked[store] for store in readers}
    wait(asked.values(), timeout=seconds)
    return {store: one.result() if one.done() else None for store, one in asked.items()}


def _samples(store: str, reader: _Reader) -> list[_Sample] | None:
    try:
        return list(reader())
    except Exception as error:
        log.warning("state_unknown", store=store, error=type(error).__name__)
        return None
    finally:
        connection.close()


def _family(name: str, text: str, values: list[tuple[dict[str, str], float]]) -> GaugeMetricFamily:
    labels = list(values[0][0]) if values else []
    family = GaugeMetricFamily(name, text, labels=labels)
    for of, value in values:
        family.add_metric([of[label] for label in labels], value)
    return family


def _one(name: str, text: str, value: float, **labels: str) -> _Sample:
    return name, text, [(labels, value)]


def _postgresql() -> Iterator[_Sample]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_PATIENCE])
        cursor.execute(load("state"))
        pending, age, failed, hot, used, limit = cursor.fetchone()
    yield _one("batches_undelivered", "Batches that wait for ClickHouse.", pending)
    yield _one("batches_undelivered_age_seconds", "Age of the oldest undelivered batch.", age)
    yield _one("batches_failed", "Failed batches that wait for a person's decision.", failed)
    yield _one("hot_events_rows", "Rows of the hot layer, by PostgreSQL's statistics.", hot)
    yield _one("postgresql_connections", "Connections of clients to PostgreSQL.", used)
    yield _one("postgresql_connections_limit", "PostgreSQL's max_connections.", limit)


def _broker() -> Iterator[_Sample]:
    broker = brokers.current()
    waiting = broker.waiting()
    yield _one("events_queue_messages", "Messages that wait for a worker.", waiting.messages)
    if waiting.age is not None:
        yield _one("events_queue_age_seconds", "Age of the oldest waiting message.", waiting.age)
    load = backpressure.load()
    if load.memory:
        yield from _memory(broker.NAME, used=load.memory, limit=load.memory_limit)


def _rate_limit() -> Iterator[_Sample]:
    memory = get_redis_connection("rate_limit").info("memory")
    yield from _memory("rate_limit", used=memory["used_memory"], limit=memory["maxmemory"])
    alive = liveness.seen()
    text = "Workers that gave a sign of life in the last 30 seconds."
    yield _one("workers_alive", text, alive.workers)
    if alive.beat_age is not None:
        yield _one("beat_age_seconds", "Time since beat's last sign of life.", alive.beat_age)


def _memory(store: str, *, used: int, limit: int) -> Iterator[_Sample]:
    yield _one("redis_memory_bytes", "Memory that Redis uses.", used, store=store)
    text = "Memory that Redis may use; 0 means no limit."
    yield _one("redis_memory_limit_bytes", text, limit, store=store)


def _clickhouse() -> Iterator[_Sample]:
    disks = "system.disks"
    [[free, total]] = clickhouse.query_server(
        load_query("disk").replace(disks, cluster.every_server(disks)),
        options={"max_execution_time": _PATIENCE_SECONDS, "skip_unavailable_shards": 1},
    )
    yield _one("clickhouse_disk_free_bytes", "Free space of ClickHouse's fullest disk.", free)
    yield _one("clickhouse_disk_total_bytes", "Size of ClickHouse's fullest disk.", total)


_STORES = 4
_threads = ThreadPoolExecutor(_STORES, thread_name_prefix="state")
_asked: dict[str, Future[list[_Sample] | None]] = {}
_asking, _keeping = Lock(), Lock()
# What `values` has found, and when; nothing before the first time.
_kept: list[tuple[float, dict[str, dict[str, float] | None]]] = []
