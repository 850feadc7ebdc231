"""A pause of all deliveries, for a moment at which nothing is on its way to ClickHouse.

Events are still accepted and stored meanwhile: they wait in the outbox.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db.models.functions import Now

from events.models import Batch
from events.postgres import lock

# The number of the lock: any number that no other lock has.
_DELIVERY = int.from_bytes(b"deliver")
_WAIT_SECONDS = 0.1


class Paused(Exception):
    """Nothing may be sent now; try again soon."""


def check() -> None:
    """Raises Paused in a pause. Otherwise none begins before the caller's transaction ends."""
    if not lock.share(_DELIVERY):
        raise Paused


@contextmanager
def paused() -> Iterator[Callable[[], None]]:
    """In the block, no insert is on its way and none begins, whatever process sends.

    Gives the block a function that raises psycopg.Error if the pause has ended too early: then
    inserts may have begun. Waits as `wait_for_deliveries` does. Raises psycopg.Error and
    django.db.Error. Inserts without a batch have the lock of repairs, which the caller must have.
    """
    wait_for_deliveries()  # what takes long should not take it out of the pause
    held = lock.wait_for(_DELIVERY)
    try:
        wait_for_deliveries()
        held.check()
        yield held.check
    finally:
        held.release()


def wait_for_deliveries() -> None:
    """Wait until every insert that is under way has ended, or its sender has lost the lease."""
    under_way = _claims()
    while under_way := under_way & _claims():
        time.sleep(_WAIT_SECONDS)


def _claims() -> set[tuple[object, int]]:
    claimed = Batch.objects.filter(state=Batch.State.PENDING, claimed_until__gt=Now())
    return set(claimed.values_list("id", "attempts"))
