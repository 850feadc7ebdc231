"""What PostgreSQL has of a project, for the comparison with ClickHouse: digests of ids, and ids.

Hashes and buckets are the same as in `analytics.maintenance.inventory`. Each statement is short,
except the one that reads the outbox, which needs a single snapshot. Ids are texts, lower case and
dashed.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from analytics.maintenance.inventory import Digest, Digests
from events.delivery import parking
from events.models import Batch
from events.sql import load
from events.storing import dedup

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


def hot_digests(*, project: int, day: date, mask: int = 0) -> Digests:
    """The digest of each bucket that has hot events of the day."""
    rows = _rows("verify_hot_digests", {"project": project, "mask": mask, **_span(day)})
    return {bucket: Digest(count, int(total)) for bucket, count, total in rows}


def hot_listed(*, project: int, day: date, mask: int, buckets: list[int]) -> dict[str, int]:
    """The ids of a day's hot events in the buckets, and how often each is there."""
    where = {"project": project, "mask": mask, "buckets": buckets, **_span(day)}
    return dict(_rows("verify_hot_ids", where))


def hot_days(*, project: int, ids: Collection[str]) -> dict[str, date]:
    """The day on which the hot layer has each of the ids; ids that it lacks are left out."""
    return dict(_rows("verify_hot_days", {"project": project, "ids": list(ids)}))


def known_at_most(*, project: int) -> int:
    """About how many ids dedup has. The estimate is too high rather than too low."""
    return dedup.pages(project) * _IDS_PER_PAGE


def known_digests(*, project: int, before: datetime, mask: int) -> Digests:
    """The digest of each bucket that has ids which dedup knew at `before`, a time of `clock`."""
    digests: Digests = {}
    for stretch in dedup.stretches(project, _STRETCH_PAGES):
        parameters = {"before": before, "mask": mask, **stretch}
        for bucket, count, total in _known_rows("verify_known_digests", project, parameters):
            sofar = digests.get(bucket, Digest(0, 0))
            digests[bucket] = Digest(sofar.events + count, sofar.hash + int(total))
    return digests


def known_listed(*, project: int, mask: int, buckets: list[int]) -> set[str]:
    """The ids that dedup has in the buckets."""
    return {
        row[0]
        for stretch in dedup.stretches(project, _STRETCH_PAGES)
        for row in _known_rows(
            "verify_known_ids", project, {"mask": mask, "buckets": buckets, **stretch}
        )
    }


def known(*, project: int, ids: Collection[str]) -> set[str]:
    """The ids among the given ones that dedup has."""
    return {row[0] for row in _known_rows("verify_known", project, {"ids": list(ids)})}


def in_outbox(*, project: int, ids: Collection[str]) -> set[str]:
    """The ids among the given ones that wait in a pending or failed batch.

    Reads in one snapshot, because frames move between batches when batches are merged or split.
    Frames that can't be read have no ids.
    """
    found: set[str] = set()
    wanted = set(ids)
    payloads = Batch.objects.filter(project=project, state__in=_WAITING).values_list("payload")
    # A server-side cursor, which settings.DATABASES stops Django from using by itself.
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(*payloads.query.sql_with_params())
        while rows := cursor.fetchmany(_PAYLOADS_AT_ONCE):
            for (payload,) in rows:
                found |= wanted & {record.event_id for record in parking.read(payload or b"")}
    return found


def waiting(*, project: int, state: Batch.State) -> int:
    """The number of events in batches of this state, and in the batches merged into them."""
    batches = Batch.objects.filter(project=project)
    own = batches.filter(state=state).aggregate(events=Sum("stored"))
    taken = batches.filter(merged_into__state=state).aggregate(events=Sum("stored"))
    return (own["events"] or 0) + (taken["events"] or 0)


def _span(day: date) -> dict[str, datetime]:
    start = datetime.combine(day, time.min, UTC)
    return {"start": start, "end": start + timedelta(days=1)}


def _known_rows(name: str, project: int, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(dedup.sql(name, project), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _rows(name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(load(name), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
