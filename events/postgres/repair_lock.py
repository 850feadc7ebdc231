"""A lock for one repair of the stores at a time: two would undo each other's counts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from events.postgres import lock

# The number of the lock: any number that no other lock has.
_REPAIR = int.from_bytes(b"repair")


class RepairRunning(Exception):
    """Another process is repairing the stores."""


@contextmanager
def alone() -> Iterator[Callable[[], None]]:
    """Hold the lock in the block, so that nobody else repairs. Raises RepairRunning, psycopg.Error.

    Gives the block a function that raises psycopg.Error if the lock is lost meanwhile.
    """
    held = lock.take(_REPAIR)
    if held is None:
        raise RepairRunning("another repair is running")
    try:
        yield held.check
    finally:
        held.release()
