"""One at a time for whoever mends the stores: two at once would undo each other's counts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from events.postgres import lock

# Of the lock; any number that no other lock has.
_REPAIR = int.from_bytes(b"repair")


class RepairRunning(Exception):
    """Another process is repairing the stores."""


@contextmanager
def alone() -> Iterator[Callable[[], None]]:
    """For as long as only one may repair. Raises RepairRunning, and psycopg.Error.

    Gives what raises psycopg.Error where the lock is lost meanwhile.
    """
    held = lock.take(_REPAIR)
    if held is None:
        raise RepairRunning("another repair is running")
    try:
        yield held.check
    finally:
        held.release()
