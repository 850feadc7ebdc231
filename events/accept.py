"""Accept: valid events on their way, onto the queue or, where the client waits, into the store."""

from base64 import b64encode
from collections.abc import Sequence

import kombu.exceptions
import redis.exceptions

from events import records
from events.models import Batch
from events.records import Record
from events.store import Stored, store
from events.tasks import store_events


class QueueUnavailable(Exception):
    """The queue did not take the events; some frames may be on it, resending does no harm."""


def enqueue(*, events: Sequence[Record]) -> None:
    """Put valid events on the queue, in frames; returns when the broker has them all.

    Raises QueueUnavailable.
    """
    try:
        for data, count in records.frames(events):
            store_events.apply_async(
                (b64encode(data).decode(),), headers={"weight": count}, retry=False
            )
    except (kombu.exceptions.OperationalError, redis.exceptions.RedisError, OSError) as error:
        raise QueueUnavailable(str(error)) from error


def store_now(*, events: Sequence[Record]) -> Stored:
    """Store valid events before returning, all in one transaction."""
    return store(frames=[data for data, _ in records.frames(events)], source=Batch.Source.REQUEST)
