"""Repair what a verification found missing or surplus, from the store that has it.

A repair that was interrupted can be run again. Two verifications must not repair at once. The log
has the number of events, and nothing from the events themselves.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
from django.conf import settings
from django.db import connection, transaction
from structlog import get_logger

from analytics.maintenance import daily_counts, inventory, surplus
from events.auditing.differences import Difference, Kind
from events.delivery.deliver import deliver_due
from events.format.records import Record, by_day_and_type, decoded_bytes, frame, timestamp
from events.models import Batch
from events.sql import load
from events.storing import dedup, hot
from projects.zones import rollup_zone

log = get_logger(__name__)

# Ids in one transaction.
_BITE = 10_000


def repair(difference: Difference) -> int:
    """Repair a difference if possible; returns how many of its events were repaired.

    Raises django.db.Error and ClickHouseError.
    """
    mend = _MENDS.get(difference.kind)
    if mend is None:
        return 0
    mended = mend(difference)
    log.warning(
        "stores_repaired",
        project=difference.project,
        kind=difference.kind.name.lower(),
        day=str(difference.day or ""),
        found=len(difference.names),
        count=mended,
    )
    return mended


def _deliver_again(difference: Difference) -> int:
    """Send the events from the hot layer through the outbox, as if they had just been stored."""
    bites = _bites(difference.names, min(_BITE, settings.CLICKHOUSE_BATCH_SIZE))
    count = sum(_to_outbox(difference.project, ids) for ids in bites)
    deliver_due()
    return count


def _to_outbox(project: int, ids: list[str]) -> int:
    records = _hot_records(project, ids)
    if not records:
        return 0
    # ClickHouse may have lost the events and still count them in its daily counts.
    if zone := rollup_zone(project):
        counts = by_day_and_type(records, zone=zone)
        daily_counts.subtract_excess(counts, project=project, zone=zone)
    payload = frame(records)
    Batch.objects.create(
        project_id=project,
        source=Batch.Source.QUEUE,
        received=len(records),
        stored=len(records),
        duplicates=0,
        payload=payload,
        payload_bytes=len(payload),
        decoded_bytes=decoded_bytes(payload),
    )
    return len(records)


def _hot_records(project: int, ids: list[str]) -> list[Record]:
    with connection.cursor() as cursor:
        cursor.execute(load("repair_hot_rows"), {"project": project, "ids": ids})
        return [
            Record(event_id, timestamp(moment), user, event_type, msgspec.Raw(properties.encode()))
            for event_id, moment, user, event_type, properties in cursor.fetchall()
        ]


def _restore_hot(difference: Difference) -> int:
    """Copy the events from ClickHouse to the hot layer.

    Each transaction first claims the ids in dedup. If another process stores one of these events
    meanwhile, it waits for the transaction and then finds the id in dedup.
    """
    assert difference.day is not None
    hot.ensure_partitions(now=datetime.now(UTC))
    restored = 0
    for rows in inventory.events(
        project=difference.project, day=difference.day, ids=difference.names
    ):
        ids, moments, users, types, properties = (
            list(column) for column in zip(*rows, strict=True)
        )
        with transaction.atomic():
            _execute("repair_dedup", difference.project, {"ids": ids})
            restored += _execute(
                "repair_hot_events",
                difference.project,
                {"moments": moments, "users": users, "types": types}
                | {"ids": ids, "properties": properties},
            )
    return restored


def _make_known(difference: Difference) -> int:
    project = difference.project
    return sum(_execute("repair_dedup", project, {"ids": ids}) for ids in _bites(difference.names))


def _forget(difference: Difference) -> int:
    """Remove the ids from dedup. No store has the events, so they can be sent or imported again."""
    bites = _bites(difference.names)
    return sum(dedup.forget(difference.project, ids=ids) for ids in bites)


def _single_hot(difference: Difference) -> int:
    for ids in _bites(difference.names):
        _execute("repair_hot_doubles", difference.project, {"ids": ids})
    return len(difference.names)


def _single_cold(difference: Difference) -> int:
    project = difference.project
    left = surplus.remove(project=project, zone=rollup_zone(project), ids=difference.names)
    return len(difference.names) - len(left)


_MENDS: dict[Kind, Callable[[Difference], int]] = {
    Kind.MISSING_COLD: _deliver_again,
    Kind.MISSING_HOT: _restore_hot,
    Kind.UNKNOWN: _make_known,
    Kind.LOST: _forget,
    Kind.DOUBLED_COLD: _single_cold,
    Kind.DOUBLED_HOT: _single_hot,
}


def _bites(ids: list[str], size: int = _BITE) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _execute(name: str, project: int, parameters: dict[str, list[str]]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(dedup.sql(name, project), {"project": project, **parameters})
        return int(cursor.rowcount)
