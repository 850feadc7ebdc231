"""Parking: what an engine refuses is set aside alone with the reason, until a person decides."""

from collections.abc import Set
from uuid import UUID

import msgspec
import zstandard
from django.db import transaction
from structlog import get_logger

from config.monitoring import metrics
from events.format.records import Record, decoded_bytes, frame, unframe
from events.models import Batch

log = get_logger(__name__)

ERROR_CHARACTERS = 2_000
# A lone culprit among 10,000 events is found with 14 refusals. Where far more are refused the
# fault is not in the events, and rows for each of them would help nobody: parts stay whole then.
_REFUSALS_AT_MOST = 200
# What reading frames raises that nothing of ours has written, or that a disk has spoilt.
UNREADABLE = (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError)


def split_or_park(
    batch_id: UUID, *, attempt: int, reason: str, there: Set[str] = frozenset()
) -> None:
    """Halve a batch that ClickHouse refused, or set it aside as failed where it can't be halved.

    `attempt` is the one that was refused; nothing happens if somebody has tried since. The halves
    have tokens of their own, so they leave out `there`: ids of which ClickHouse has rows.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(id=batch_id)
        if batch.state != Batch.State.PENDING or batch.attempts != attempt:
            return
        records = readable(batch)
        if (len(records) > 1 or there) and not _hopeless(batch):
            _split(batch, [record for record in records if record.event_id not in there], reason)
        else:
            _park(batch, reason)


def split(batch_id: UUID, *, attempt: int, reason: str) -> None:
    """Halve a batch that is too much for ClickHouse at once: as `split_or_park`, never parking."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(id=batch_id)
        if batch.state == Batch.State.PENDING and batch.attempts == attempt:
            _split(batch, readable(batch), reason)


def _hopeless(batch: Batch) -> bool:
    root = batch.split_from_id or batch.pk
    refused = Batch.objects.filter(
        split_from=root, state__in=[Batch.State.SPLIT, Batch.State.FAILED]
    )
    return refused.count() >= _REFUSALS_AT_MOST


def _split(batch: Batch, records: list[Record], reason: str) -> None:
    half = len(records) // 2
    for part in filter(None, (records[:half], records[half:])):
        payload = frame(part)
        Batch.objects.create(
            source=batch.source,
            received=len(part),
            stored=len(part),
            duplicates=0,
            payload=payload,
            payload_bytes=len(payload),
            decoded_bytes=decoded_bytes(payload),
            split_from_id=batch.split_from_id or batch.pk,
        )
    ended = Batch.objects.filter(id=batch.pk) | Batch.objects.filter(merged_into=batch.pk)
    ended.update(state=Batch.State.SPLIT, payload=None, error=reason[:ERROR_CHARACTERS])


def _park(batch: Batch, reason: str) -> None:
    # The reason may quote an event: it stands with the batch, for those who may see it.
    log.error("batch_failed", batch_id=str(batch.pk), count=batch.stored)
    metrics.EVENTS_FAILED.labels("deliver").inc(batch.stored)
    Batch.objects.filter(id=batch.pk).update(
        state=Batch.State.FAILED, error=reason[:ERROR_CHARACTERS], claimed_until=None
    )


def park_unstored(payload: bytes, *, reason: str) -> None:
    """Keep what came off the queue and can't be stored, as a batch that failed before its store."""
    events = len(read(payload))
    log.error("message_failed", bytes=len(payload), count=events)
    metrics.EVENTS_FAILED.labels("store").inc(events)
    Batch.objects.create(
        source=Batch.Source.QUEUE,
        state=Batch.State.UNSTORED,
        received=events,
        stored=0,
        duplicates=0,
        payload=payload,
        payload_bytes=len(payload),
        error=reason[:ERROR_CHARACTERS],
    )


def readable(batch: Batch) -> list[Record]:
    """The events in a batch's payload; none if it has none or can't be read."""
    return read(bytes(batch.payload or b""))


def read(payload: bytes) -> list[Record]:
    """The events in a payload; none if it can't be read."""
    try:
        return unframe(payload)
    except UNREADABLE:
        return []
