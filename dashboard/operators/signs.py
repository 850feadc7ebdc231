"""What the numbers of the service mean: whether each is good, and what to do if it is not.

The bounds are those of the alerts, in docker/prometheus/rules.yml.
"""

import shutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from django.conf import settings

from config import brokers
from dashboard import numbers

GOOD, WARN, BAD, UNKNOWN = "good", "warn", "bad", "unknown"
# Seconds that something may wait before somebody should look, and before it counts as stopped.
_LATE, _STOPPED = 60, 1_800
_BEAT_SILENCE = 300
# Shares of a disk that are free.
_FREE_WARN, _FREE_BAD = 0.15, 0.05
# Shares that are used. Above the last, the API refuses new events.
_CONNECTIONS, _MEMORY_WARN, _MEMORY_BAD = 0.85, 0.7, 0.8
_FAILED_BATCHES = "/admin/events/batch/"

Values = Mapping[str, Mapping[str, float] | None]


class Sign(NamedTuple):
    """What it is about, its value in words, how it is, and what to do.

    `alert` is the heading of docs/alerts.md that says more, `link` a page of the admin.
    """

    what: str
    value: str
    state: str = GOOD
    todo: str = ""
    alert: str = ""
    link: str = ""


class Group(NamedTuple):
    title: str
    signs: list[Sign]


def groups_of(values: Values) -> list[Group]:
    """All signs, from what `events.monitoring.state.values` gives."""
    broker = brokers.current().NAME
    return [
        stores(values),
        Group("Events on their way", [*_on_their_way(values, broker)]),
        Group("Processes", [*_processes(values)]),
        Group("Room", [*_room(values, broker)]),
    ]


def stores(values: Values) -> Group:
    """Which stores answer: no more than /ready tells everybody."""
    return Group("Stores", [_store(name, of is not None) for name, of in values.items()])


def _store(name: str, answers: bool) -> Sign:
    title, harm = _STORES.get(name, _STORES["broker"])
    shown = title.format(name=name.capitalize())
    if answers:
        return Sign(shown, "answers")
    return Sign(shown, "does not answer", BAD, f"{harm} Start it again.", "StoreDown")


_STORES = {
    "postgresql": (
        "PostgreSQL",
        "Events wait on the queue. When that is full, new events are refused.",
    ),
    "broker": ("{name}, the queue", "New events are refused."),
    "rate_limit": ("Redis, the rate limit", "All requests are refused."),
    "clickhouse": (
        "ClickHouse",
        "There are no reports. Events are accepted, and counted later.",
    ),
}


def _on_their_way(values: Values, broker: str) -> Iterator[Sign]:
    yield _queue(values.get(broker))
    yield from _deliveries(values.get("postgresql"))


def _queue(of: Mapping[str, float] | None) -> Sign:
    what = "Waiting for a worker"
    if of is None:
        return _unknown(what, "the queue does not answer")
    messages, age = of["events_queue_messages"], of.get("events_queue_age_seconds")
    value = numbers.counted(messages, "message")
    age = age if messages else None
    value, state = value + _oldest(age), _late(age)
    todo = "Events come faster than workers store them. Start more workers." if state else ""
    return Sign(what, value, state or GOOD, todo, "QueueGrowing" if state else "")


def _deliveries(of: Mapping[str, float] | None) -> Iterator[Sign]:
    lag, failed = "Waiting for ClickHouse", "Set aside"
    if of is None:
        yield from (_unknown(what, "PostgreSQL does not answer") for what in (lag, failed))
        return
    count, age = of["batches_undelivered"], of["batches_undelivered_age_seconds"]
    state = _late(age if count else None)
    value = _batches(count) + _oldest(age if count else None)
    yield Sign(
        lag,
        value,
        state or GOOD,
        "Reports are behind. ClickHouse is down, slow or full, or no worker is left; a large "
        "import also takes a while."
        if state
        else "",
        "DeliveryLag" if state else "",
    )
    count = of["batches_failed"]
    if not count:
        yield Sign(failed, "nothing")
        return
    todo = "A store refused them. Each says why: try it again, or discard it."
    yield Sign(failed, _batches(count), WARN, todo, "FailedBatches", _FAILED_BATCHES)


def _processes(values: Values) -> Iterator[Sign]:
    of = values.get("rate_limit")
    if of is None:
        for what in ("Workers", "Beat, which starts periodic tasks"):
            yield _unknown(what, "the rate limit's Redis, which knows it, does not answer")
        return
    count = of["workers_alive"]
    if count:
        yield Sign("Workers", f"{numbers.whole(count)} alive")
    else:
        todo = "Nobody stores what is accepted; it waits on the queue. Start a worker."
        yield Sign("Workers", "none alive", BAD, todo, "NoWorker")
    yield _beat(of.get("beat_age_seconds"))


def _beat(age: float | None) -> Sign:
    what = "Beat, which starts periodic tasks"
    if age is not None and age <= _BEAT_SILENCE:
        return Sign(what, "alive")
    value = "never seen" if age is None else f"silent for {numbers.duration(age)}"
    todo = "What broke off is not continued, and nothing is purged at night. Start exactly one."
    return Sign(what, value, WARN, todo, "NoBeat")


def _room(values: Values, broker: str) -> Iterator[Sign]:
    clickhouse, postgresql = values.get("clickhouse"), values.get("postgresql")
    if clickhouse is None:
        yield _unknown("Disk of ClickHouse", "ClickHouse does not answer")
    else:
        free, total = (clickhouse[f"clickhouse_disk_{it}_bytes"] for it in ("free", "total"))
        yield _disk("Disk of ClickHouse", free, total)
    yield _disk_of_uploads()
    if postgresql is None:
        yield _unknown("Connections to PostgreSQL", "PostgreSQL does not answer")
    else:
        yield _connections(postgresql)
    yield from _memory(values.get(broker))


def _disk(what: str, free: float, total: float) -> Sign:
    share = free / total if total else 1.0
    value = f"{numbers.percent(100 * share)} free ({numbers.whole(free // 10**9)} GB)"
    state = BAD if share < _FREE_BAD else WARN if share < _FREE_WARN else GOOD
    if state == GOOD:
        return Sign(what, value)
    todo = "Make the volume larger, or free what the service does not use. Delete no store's files."
    return Sign(what, value, state, todo, "DiskAlmostFull")


def _disk_of_uploads() -> Sign:
    what = "Disk of uploads"
    folder = settings.IMPORT_FOLDER
    try:
        # The folder is made with the first upload.
        there = next((it for it in (folder, *folder.parents) if it.exists()), None)
        found = shutil.disk_usage(there or folder)
    except OSError as error:
        return _unknown(what, f"{folder} can't be looked at: {error.strerror}")
    return _disk(what, found.free, found.total)


def _connections(of: Mapping[str, float]) -> Sign:
    used, limit = of["postgresql_connections"], of["postgresql_connections_limit"]
    what, value = "Connections to PostgreSQL", f"{numbers.whole(used)} of {numbers.whole(limit)}"
    if used <= limit * _CONNECTIONS:
        return Sign(what, value)
    todo = "Lower POSTGRES_POOL_SIZE, run fewer processes, or raise max_connections."
    return Sign(what, value, WARN, todo, "ConnectionsHigh")


def _memory(of: Mapping[str, float] | None) -> Iterator[Sign]:
    """Of the queue, if its broker has a limit."""
    limit = of.get("redis_memory_limit_bytes") if of else None
    if not of or not limit:
        return
    share = of["redis_memory_bytes"] / limit
    state = BAD if share > _MEMORY_BAD else WARN if share > _MEMORY_WARN else GOOD
    todo = "Above 80 % new events are refused. Start more workers, or raise maxmemory."
    yield Sign(
        "Memory of the queue",
        f"{numbers.percent(100 * share)} used",
        state,
        "" if state == GOOD else todo,
        "" if state == GOOD else "QueueMemoryHigh",
    )


def _late(age: float | None) -> str:
    if age is None or age <= _LATE:
        return ""
    return BAD if age > _STOPPED else WARN


def _oldest(age: float | None) -> str:
    return "" if age is None else f", the oldest for {numbers.duration(age)}"


def _batches(count: float) -> str:
    return f"{numbers.whole(count)} batch{'' if count == 1 else 'es'}"


def _unknown(what: str, why: str) -> Sign:
    return Sign(what, "not known", UNKNOWN, f"{why[0].upper()}{why[1:]}.")
