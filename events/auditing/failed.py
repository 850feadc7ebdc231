"""What a person may do with a failed batch: retry it or discard it."""

from uuid import UUID

from django.db import connection, transaction
from structlog import get_logger

from analytics.clickhouse import ClickHouseError
from events.delivery import background, parking, redelivery
from events.models import Batch
from events.sql import load
from events.storing import dedup
from events.storing.store import NoProject, store

log = get_logger(__name__)

FAILED = (Batch.State.FAILED, Batch.State.UNSTORED)


class NotFailed(Exception):
    """The batch has not failed, or it is no longer in that state."""


class Undecided(NotFailed):
    """Some events of the batch may have arrived. Only ClickHouse knows, and it does not answer."""


def retry(batch_id: UUID) -> None:
    """Have a failed batch delivered again, or stored if it was never stored.

    Raises NotFailed. If the batch still can't be stored, raises what `store` or the reading of the
    payload raises.
    """
    with transaction.atomic():
        batch = _failed(batch_id)
        if batch.state == Batch.State.UNSTORED:
            _store_again(batch)
            return
        batch.state, batch.claimed_until = Batch.State.PENDING, None
        batch.save(update_fields=["state", "claimed_until"])
        transaction.on_commit(background.deliver_soon)


def _store_again(batch: Batch) -> None:
    """Store the events in the transaction that removes the batch: both happen, or neither."""
    if batch.project_id is None:
        raise NotFailed(f"batch {batch.pk} names no project, so it can't be stored")
    try:
        store(
            project=batch.project_id,
            frames=[bytes(batch.payload or b"")],
            source=Batch.Source.QUEUE,
        )
    except NoProject as error:
        raise NotFailed(f"batch {batch.pk}: {error}") from None
    batch.delete()


def discard(batch_id: UUID, *, by: str) -> None:
    """Give up those events of a failed batch that ClickHouse does not have. Raises NotFailed.

    Removes these events from the hot layer and their ids from dedup. Then both layers agree, and a
    corrected event can be sent with its old id. `by` is the user's name, for the log.
    """
    arrived = _arrived(batch_id)
    with transaction.atomic():
        batch = _failed(batch_id)
        if batch.state == Batch.State.FAILED:
            ids = [record.event_id for record in parking.readable(batch)]
            if batch.project_id is not None:
                _forget(batch.project_id, [one for one in ids if one not in arrived])
        log.warning("batch_discarded", batch_id=str(batch_id), count=batch.received, by=by)
        batch.state, batch.payload = Batch.State.DISCARDED, None
        batch.save(update_fields=["state", "payload"])


def _arrived(batch_id: UUID) -> set[str]:
    """Ids of the batch's events that ClickHouse has; none if the batch was sent only once.

    Raises Undecided.
    """
    batch = Batch.objects.filter(id=batch_id, state=Batch.State.FAILED, attempts__gt=1).first()
    try:
        if batch is None or batch.project_id is None:
            return set()
        return redelivery.arrived(parking.readable(batch), project=batch.project_id)
    except ClickHouseError as error:
        raise Undecided(
            f"batch {batch_id} can't be discarded now: ClickHouse may have some of its events, "
            f"and the check for them failed: {error}"
        ) from error


def _forget(project: int, ids: list[str]) -> None:
    dedup.forget(project, ids=ids)
    with connection.cursor() as cursor:
        cursor.execute(load("forget_hot_events"), {"project": project, "ids": ids})


def _failed(batch_id: UUID) -> Batch:
    batch = Batch.objects.select_for_update().filter(id=batch_id).first()
    if batch is None or batch.state not in FAILED:
        raise NotFailed(
            f"batch {batch_id} has not failed, or it has already been retried or discarded"
        )
    return batch
