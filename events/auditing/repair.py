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
from events.auditing.verify import Difference, Kind
from events.delivery.deliver import deliver_due
from events.format.records import Record, by_day_and_type, decoded_bytes, frame, timestamp
from events.models import Batch, Dedup
from events.sql import load
from events.storing import hot

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
        kind=difference.kind.name.lower(),
        day=str(difference.day or ""),
        found=len(difference.names),
        count=mended,
    )
    return mended


def _deliver_again(difference: Difference) -> int:
    """Send the events from the hot layer through the outbox, as if they had just been stored."""
    count = sum(_to_outbox(ids) for ids in _bites(difference.names, settings.CLICKHOUSE_BATCH_SIZE))
    deliver_due()
    return count


def _to_outbox(ids: list[str]) -> int:
    records = _hot_records(ids)
    if not records:
        return 0
    # ClickHouse may have lost the events and still count them in its daily counts.
    daily_counts.subtract_excess(by_day_and_type(records))
    payload = frame(records)
    Batch.objects.create(
        source=Batch.Source.QUEUE,
        received=len(records),
        stored=len(records),
        duplicates=0,
        payload=payload,
        payload_bytes=len(payload),
        decoded_bytes=decoded_bytes(payload),
    )
    return len(records)


def _hot_records(ids: list[str]) -> list[Record]:
    with connection.cursor() as cursor:
        cursor.execute(load("repair_hot_rows"), {"ids": ids})
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
    for rows in inventory.events(day=difference.day, ids=difference.names):
        ids, moments, users, types, properties = (
            list(column) for column in zip(*rows, strict=True)
        )
        with transaction.atomic():
            _execute("repair_dedup", {"ids": ids})
            restored += _execute(
                "repair_hot_events",
                {"moments": moments, "users": users, "types": types}
                | {"ids": ids, "properties": properties},
            )
    return restored


def _make_known(difference: Difference) -> int:
    return sum(_execute("repair_dedup", {"ids": ids}) for ids in _bites(difference.names))


def _forget(difference: Difference) -> int:
    """Remove the ids from dedup. No store has the events, so they can be sent or imported again."""
    bites = _bites(difference.names)
    return sum(Dedup.objects.filter(event_id__in=ids).delete()[0] for ids in bites)


def _single_hot(difference: Difference) -> int:
    for ids in _bites(difference.names):
        _execute("repair_hot_doubles", {"ids": ids})
    return len(difference.names)


def _single_cold(difference: Difference) -> int:
    return len(difference.names) - len(surplus.remove(ids=difference.names))


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


def _execute(name: str, parameters: dict[str, list[str]]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(load(name), parameters)
        return int(cursor.rowcount)
