"""Parking: sets aside what an engine refuses, with the reason, until a person decides."""

from collections.abc import Set
from uuid import UUID

import msgspec
import zstandard
from django.db import transaction
from structlog import get_logger

from config.monitoring import metrics
from events.format.records import Record, decoded_bytes, frame, unframe
from events.models import Batch
from projects.models import Project

log = get_logger(__name__)

ERROR_CHARACTERS = 2_000
# One bad event among 10,000 is found with 14 refusals. If there are far more refusals, the fault is
# not in the events, and one row for each event would help nobody. The parts then stay whole.
_REFUSALS_AT_MOST = 200
# Errors of reading frames that another program wrote or that a disk has damaged.
UNREADABLE = (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError)


def split_or_park(
    batch_id: UUID, *, attempt: int, reason: str, there: Set[str] = frozenset()
) -> None:
    """Halve a batch that ClickHouse refused, or set it aside as failed if it can't be halved.

    `attempt` is the number of the refused attempt. If there was a later attempt, nothing happens.
    `there` holds the ids that ClickHouse has rows of. The halves leave them out, because the halves
    have new tokens.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update().filter(id=batch_id).first()
        if batch is None or batch.state != Batch.State.PENDING or batch.attempts != attempt:
            return  # it may have been deleted with its project
        records = readable(batch)
        if (len(records) > 1 or there) and not _hopeless(batch):
            _split(batch, [record for record in records if record.event_id not in there], reason)
        else:
            _park(batch, reason)


def split(batch_id: UUID, *, attempt: int, reason: str) -> None:
    """Halve a batch that is too large for ClickHouse. Like `split_or_park`, but never parks."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().filter(id=batch_id).first()
        if batch and batch.state == Batch.State.PENDING and batch.attempts == attempt:
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
            project_id=batch.project_id,
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
    # The reason may quote an event, so it is not logged. It is stored with the batch, for those who
    # may see it.
    log.error("batch_failed", batch_id=str(batch.pk), count=batch.stored)
    metrics.EVENTS_FAILED.labels("deliver").inc(batch.stored)
    Batch.objects.filter(id=batch.pk).update(
        state=Batch.State.FAILED, error=reason[:ERROR_CHARACTERS], claimed_until=None
    )


def park_unstored(payload: bytes, *, reason: str, project: int | None) -> None:
    """Keep a payload from the queue that can't be stored, as a batch in state UNSTORED.

    `project` is None if the payload names none.
    """
    events = len(read(payload))
    log.error("message_failed", bytes=len(payload), count=events)
    metrics.EVENTS_FAILED.labels("store").inc(events)
    Batch.objects.create(
        # A project that PostgreSQL does not know can't be shown.
        project=Project.objects.filter(pk=project or 0).first(),
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
    """Return the events in a batch's payload; none if it has no payload or can't be read."""
    return read(bytes(batch.payload or b""))


def read(payload: bytes) -> list[Record]:
    """Return the events in a payload; none if it can't be read."""
    try:
        return unframe(payload)
    except UNREADABLE:
        return []
