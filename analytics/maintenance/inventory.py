"""What ClickHouse has, for the comparison with PostgreSQL: digests of ids, and the ids themselves.

An id's hash is the first 64 bits of the MD5 of its text, lower case and dashed, as a signed number;
its bucket is the hash's low bits under a mask. PostgreSQL computes both alike
(`events.auditing.inventory`).
Days are UTC, spans of them include both ends. Everything here raises `clickhouse.ClickHouseError`.
"""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings

from analytics import clickhouse, cluster
from analytics.queries import load

# Whatever may be stored.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2100, 1, 1)
# Ids bound to one query: a server takes values up to 128 KiB.
IDS_AT_ONCE = 3_000


class Digest(NamedTuple):
    """Of some events: how many, and the sum of their ids' hashes, which no order changes."""

    events: int
    hash: int


class Held(NamedTuple):
    """How many copies of an event ClickHouse has, and the first day on which it has one."""

    copies: int
    day: date


Digests: TypeAlias = dict[int, Digest]


def counts(*, start: date, end: date) -> dict[date, int]:
    """Rows of each day that has any, oldest first."""
    rows = ask("inventory_counts", {"start": start, "end": end})
    return {date.fromisoformat(day): count for day, count in rows}


def digests(*, start: date, end: date, mask: int = 0) -> Digests:
    """Of each bucket that has any rows."""
    rows = ask("inventory_digests", {"start": start, "end": end, "mask": mask})
    return {bucket: Digest(count, int(total)) for bucket, count, total in rows}


def listed(*, start: date, end: date, mask: int, buckets: list[int]) -> dict[str, Held]:
    """The ids in the buckets."""
    span = {"start": start, "end": end, "mask": mask, "buckets": buckets}
    rows = ask("inventory_ids", span)
    return {event_id: Held(copies, date.fromisoformat(day)) for event_id, copies, day in rows}


def days(*, ids: Collection[str]) -> dict[str, set[date]]:
    """The days on which ClickHouse has those of the ids that it has at all.

    Whatever was confirmed to a deliverer before the call is seen. Each IDS_AT_ONCE of the ids cost
    a look at all ids of the history, 16 bytes each.
    """
    clickhouse.flush_buffer()
    found: dict[str, set[date]] = {}
    for some in chunks(list(ids)):
        for event_id, day in ask("inventory_days", {"ids": some}):
            found.setdefault(event_id, set()).add(date.fromisoformat(day))
    return found


def copies(*, ids: Collection[str], start: date, end: date) -> dict[str, int]:
    """How often ClickHouse has those of the ids that it has at all on these days.

    Whatever was confirmed to a deliverer before the call is seen, and of a cluster also what only
    one replica has: so that nothing is sent under a second token that will be there by its first.
    While one does not answer it raises `clickhouse.ClickHouseError`.
    """
    clickhouse.flush_buffer()
    found: dict[str, int] = {}
    for some in chunks(list(ids)):
        span = {"ids": some, "start": start, "end": end}
        rows = ask("inventory_copies", span, events=cluster.every_replica("events"))
        found.update((event_id, count) for event_id, count in rows)
    return found


def events(*, day: date, ids: list[str]) -> Iterator[list[list[str]]]:
    """Those events of the day, IDS_AT_ONCE at a time, as texts.

    Each is its id, its moment with offset, user, type and properties.
    """
    for some in chunks(ids):
        yield ask("inventory_events", {"day": day, "ids": some})


def chunks(ids: list[str]) -> Iterator[list[str]]:
    """The ids, IDS_AT_ONCE at a time."""
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]


def ask(name: str, parameters: dict[str, Any], *, events: str = "events") -> list[list[Any]]:
    """Rows of a query that reads whole columns and may take as long as an insert."""
    seconds = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS
    options = {"log_comment": clickhouse.log_comment(name), "max_execution_time": seconds}
    sql = load(name).replace("FROM events\n", f"FROM {events}\n")
    return clickhouse.query(sql, parameters=parameters, options=options)
