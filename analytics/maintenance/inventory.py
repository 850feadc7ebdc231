"""What ClickHouse has, for the comparison with PostgreSQL: digests of ids, and the ids themselves.

The hash of an id is a signed number: the first 64 bits of the MD5 of the id's text, lower case and
dashed. The bucket of an id is the low bits of its hash, under a mask. PostgreSQL computes both in
the same way (`events.auditing.inventory`).
Days are UTC. Spans include both ends. Every function is about one project and raises
`clickhouse.ClickHouseError`.
"""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings

from analytics import clickhouse, cluster, inserting
from analytics.queries import load

# Every event that may be stored is between these days.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2100, 1, 1)
# Ids in one query: a server accepts parameter values up to 128 KiB.
IDS_AT_ONCE = 3_000


class Digest(NamedTuple):
    """The number of some events, and the sum of their ids' hashes, whatever the events' order."""

    events: int
    hash: int


class Held(NamedTuple):
    """How many copies of an event ClickHouse has, and the first day on which it has one."""

    copies: int
    day: date


Digests: TypeAlias = dict[int, Digest]


def counts(*, project: int, start: date, end: date) -> dict[date, int]:
    """The number of rows of each day that has rows, oldest day first."""
    rows = ask("inventory_counts", {"start": start, "end": end}, project=project)
    return {date.fromisoformat(day): count for day, count in rows}


def digests(*, project: int, start: date, end: date, mask: int = 0) -> Digests:
    """The digest of each bucket that has rows."""
    rows = ask("inventory_digests", {"start": start, "end": end, "mask": mask}, project=project)
    return {bucket: Digest(count, int(total)) for bucket, count, total in rows}


def listed(
    *, project: int, start: date, end: date, mask: int, buckets: list[int]
) -> dict[str, Held]:
    """The ids in the buckets, each with its number of copies and its first day."""
    span = {"start": start, "end": end, "mask": mask, "buckets": buckets}
    rows = ask("inventory_ids", span, project=project)
    return {event_id: Held(copies, date.fromisoformat(day)) for event_id, copies, day in rows}


def days(*, project: int, ids: Collection[str]) -> dict[str, set[date]]:
    """The days on which ClickHouse has each of the ids; ids that it lacks are left out.

    The result includes all events that were confirmed to a deliverer before the call. For every
    IDS_AT_ONCE ids, ClickHouse reads all ids of the history, 16 bytes each.
    """
    inserting.flush_buffer(project=project)
    found: dict[str, set[date]] = {}
    for some in chunks(list(ids)):
        for event_id, day in ask("inventory_days", {"ids": some}, project=project):
            found.setdefault(event_id, set()).add(date.fromisoformat(day))
    return found


def copies(*, project: int, ids: Collection[str], start: date, end: date) -> dict[str, int]:
    """How many copies of each id ClickHouse has on these days; ids without copies are left out.

    The result includes all events that were confirmed to a deliverer before the call. On a cluster
    it also includes events that only one replica has. Otherwise an event could be sent under a
    second token and still arrive under its first one. Raises `clickhouse.ClickHouseError` while a
    replica does not answer.
    """
    inserting.flush_buffer(project=project)
    found: dict[str, int] = {}
    for some in chunks(list(ids)):
        span = {"ids": some, "start": start, "end": end}
        replicas = cluster.every_replica("events")
        rows = ask("inventory_copies", span, project=project, events=replicas)
        found.update((event_id, count) for event_id, count in rows)
    return found


def events(*, project: int, day: date, ids: list[str]) -> Iterator[list[list[str]]]:
    """The events of the day with these ids, up to IDS_AT_ONCE at a time; those that are not there
    are left out.

    Each row has five texts: id, time with offset, user, type and properties.
    """
    for some in chunks(ids):
        if rows := ask("inventory_events", {"day": day, "ids": some}, project=project):
            yield rows


def chunks(ids: list[str]) -> Iterator[list[str]]:
    """The ids, IDS_AT_ONCE at a time."""
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]


def ask(
    name: str, parameters: dict[str, Any], *, project: int, events: str = "events"
) -> list[list[Any]]:
    """Rows of a query that reads whole columns and may take as long as an insert."""
    seconds = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS
    options = {"log_comment": clickhouse.log_comment(name), "max_execution_time": seconds}
    sql = load(name).replace("FROM events\n", f"FROM {events}\n")
    return clickhouse.query(sql, project=project, parameters=parameters, options=options)
