"""Purge: removes what is older than its window, a whole day at once or some rows at a time."""

import time
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection, transaction
from psycopg.errors import LockNotAvailable
from structlog import get_logger

from events.sql import load
from events.storing import dedup, hot
from projects.models import Project

log = get_logger(__name__)

# A day is dropped this long after it has left the window, so that a store that began before
# midnight still finds its partition.
GRACE = timedelta(hours=1)
# A drop waits for transactions that use the table, and new transactions wait behind the drop. Each
# attempt to drop waits this long at most. If stores are large and many, the shorter waits are never
# long enough for them to end.
_LOCK_TIMEOUTS_MILLISECONDS = (100, 200, 400, *[800] * 40)
_LOCK_PAUSE_SECONDS = 0.1
# Rows deleted in one transaction, which takes about 50 ms.
_BITE = 10_000
_STRETCH_PAGES = 100


class PurgeBlocked(Exception):
    """The partition was in use at every attempt to drop it. It stays until the next purge."""


class Purged(NamedTuple):
    """One day's partition: about how many events it held, and its bytes with indexes."""

    day: date
    events: int
    bytes: int


def purge_hot(*, now: datetime, days: int | None = None, dry_run: bool = False) -> list[Purged]:
    """Drop the partitions of days before the hot window. Returns these partitions, oldest first.

    `days` replaces HOT_WINDOW_DAYS. With `dry_run` nothing is dropped. Safe to run twice at the
    same time. Raises PurgeBlocked when a partition could not be locked for half a minute.
    """
    first_kept = hot.window_start(now - GRACE, days=days).date()
    purged = [_described(day) for day in sorted(hot.partition_days()) if day < first_kept]
    if dry_run:
        return purged
    for partition in purged:
        _drop(partition.day)
        log.info("hot_purged", day=str(partition.day), count=partition.events)
    # If `days` is less than the setting, days were dropped that the store still writes to.
    hot.ensure_partitions(now=now)
    return purged


def _described(day: date) -> Purged:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0)::bigint, pg_total_relation_size(oid)"
            " FROM pg_class WHERE oid = to_regclass(%s)",
            [hot.partition_name(day)],
        )
        events, size = cursor.fetchone() or (0, 0)
    return Purged(day, events, size)


def _drop(day: date) -> None:
    _keep_autovacuum_off(hot.partition_name(day))
    for timeout in _LOCK_TIMEOUTS_MILLISECONDS:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {timeout}")
                cursor.execute(f"DROP TABLE IF EXISTS {hot.partition_name(day)}")
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
    raise PurgeBlocked(f"the hot events of {day} are in use; the next purge tries again")


def _keep_autovacuum_off(partition: str) -> None:
    """Turn autovacuum off for a partition before the drop.

    Autovacuum gives way to a waiting statement only after a second, which is longer than a drop may
    wait. While this statement waits, it blocks neither readers nor writers.
    """
    with suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 5000")
        cursor.execute(f"ALTER TABLE IF EXISTS {partition} SET (autovacuum_enabled = false)")


def purge_ids(*, now: datetime) -> int:
    """Delete the ids first seen more than DEDUP_DAYS ago (0: none). Returns how many.

    If an event with a deleted id is sent again, it is stored again. Reads the whole table of each
    project, a range of pages in each transaction.
    """
    if not settings.DEDUP_DAYS:
        return 0
    before = now - timedelta(days=settings.DEDUP_DAYS)
    deleted = 0
    for project in Project.objects.filter(deleted_at=None).values_list("pk", flat=True):
        with suppress(ProgrammingError):  # the project was deleted meanwhile
            deleted += sum(dedup.purge(project, before=before, size=_STRETCH_PAGES))
    log.info("ids_purged", count=deleted)
    return deleted


def purge_batches(*, now: datetime) -> int:
    """Delete finished batches older than BATCH_DAYS (0: none). Returns how many.

    Finished means delivered, split or discarded. Those of this month stay if their project has a
    quota.
    """
    if not settings.BATCH_DAYS:
        return 0
    before = now - timedelta(days=settings.BATCH_DAYS)
    # West of Greenwich the month before may still run; nowhere did it begin a day earlier.
    yesterday = now - timedelta(days=1)
    month = yesterday.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    deleted = 0
    while bite := _run("purge_batches", {"before": before, "month": month, "limit": _BITE}):
        deleted += bite
    log.info("batches_purged", count=deleted)
    return deleted


def vacuum_outbox() -> None:
    """Make the space of delivered payloads usable again.

    Autovacuum would do this too, but it counts its work in memory and a crash sets the count to
    zero. Until the count is high enough again, the outbox of a busy service grows by all its
    traffic.
    """
    with connection.cursor() as cursor:
        cursor.execute("VACUUM batches")


def _run(name: str, parameters: dict[str, Any]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(load(name), parameters)
        return int(cursor.rowcount)
