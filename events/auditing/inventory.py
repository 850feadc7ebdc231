"""What PostgreSQL has, for the comparison with ClickHouse: digests of ids, and the ids themselves.

Hashes and buckets are the same as in `analytics.maintenance.inventory`. Each statement is short,
except the one that reads the outbox, which needs a single snapshot. Ids are texts, lower case and
dashed.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from analytics.maintenance.inventory import Digest, Digests
from events.delivery import parking
from events.models import Batch
from events.sql import load

# Pages of dedup that one statement reads: about 3 million ids, a few seconds.
_STRETCH_PAGES = 20_000
# A row of dedup takes 52 bytes.
_IDS_PER_PAGE = 157
_PAYLOADS_AT_ONCE = 10
# The payload of these batches is on its way or waits for a person. UNSTORED is left out, because
# such a batch is in no store.
_WAITING = (Batch.State.PENDING, Batch.State.FAILED)


def clock() -> datetime:
    """The time of PostgreSQL's clock, which also sets `dedup.first_seen`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def hot_digests(*, day: date, mask: int = 0) -> Digests:
    """The digest of each bucket that has hot events of the day."""
    rows = _rows("verify_hot_digests", {"mask": mask, **_span(day)})
    return {bucket: Digest(count, int(total)) for bucket, count, total in rows}


def hot_listed(*, day: date, mask: int, buckets: list[int]) -> dict[str, int]:
    """The ids of a day's hot events in the buckets, and how often each is there."""
    return dict(_rows("verify_hot_ids", {"mask": mask, "buckets": buckets, **_span(day)}))


def hot_days(*, ids: Collection[str]) -> dict[str, date]:
    """The day on which the hot layer has each of the ids; ids that it lacks are left out."""
    return dict(_rows("verify_hot_days", {"ids": list(ids)}))


def known_at_most() -> int:
    """About how many ids dedup has. The estimate is too high rather than too low."""
    return _dedup_pages() * _IDS_PER_PAGE


def known_digests(*, before: datetime, mask: int) -> Digests:
    """The digest of each bucket that has ids which dedup knew at `before`, a time of `clock`."""
    digests: Digests = {}
    for stretch in _stretches():
        parameters = {"before": before, "mask": mask, **stretch}
        for bucket, count, total in _rows("verify_known_digests", parameters):
            sofar = digests.get(bucket, Digest(0, 0))
            digests[bucket] = Digest(sofar.events + count, sofar.hash + int(total))
    return digests


def known_listed(*, mask: int, buckets: list[int]) -> set[str]:
    """The ids that dedup has in the buckets."""
    stretches = ({"mask": mask, "buckets": buckets, **stretch} for stretch in _stretches())
    return {row[0] for stretch in stretches for row in _rows("verify_known_ids", stretch)}


def known(*, ids: Collection[str]) -> set[str]:
    """The ids among the given ones that dedup has."""
    return {row[0] for row in _rows("verify_known", {"ids": list(ids)})}


def in_outbox(*, ids: Collection[str]) -> set[str]:
    """The ids among the given ones that wait in a pending or failed batch.

    Reads in one snapshot, because frames move between batches when batches are merged or split.
    Frames that can't be read have no ids.
    """
    found: set[str] = set()
    wanted = set(ids)
    payloads = Batch.objects.filter(state__in=_WAITING).values_list("payload")
    # A server-side cursor, which settings.DATABASES stops Django from using by itself.
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(*payloads.query.sql_with_params())
        while rows := cursor.fetchmany(_PAYLOADS_AT_ONCE):
            for (payload,) in rows:
                found |= wanted & {record.event_id for record in parking.read(payload or b"")}
    return found


def waiting(*, state: Batch.State) -> int:
    """The number of events in batches of this state, and in the batches merged into them."""
    own = Batch.objects.filter(state=state).aggregate(events=Sum("stored"))
    taken = Batch.objects.filter(merged_into__state=state).aggregate(events=Sum("stored"))
    return (own["events"] or 0) + (taken["events"] or 0)


def _span(day: date) -> dict[str, datetime]:
    start = datetime.combine(day, time.min, UTC)
    return {"start": start, "end": start + timedelta(days=1)}


def _stretches() -> Iterator[dict[str, int]]:
    for first in range(0, _dedup_pages(), _STRETCH_PAGES):
        yield {"first_page": first, "end_page": first + _STRETCH_PAGES}


def _dedup_pages() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('dedup') / current_setting('block_size')::int")
        return int(cursor.fetchone()[0])


def _rows(name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(load(name), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
