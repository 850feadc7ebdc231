"""Connections to PostgreSQL that are given up when it does not answer a statement in time.

A PostgreSQL that hangs keeps its connections: its kernel acknowledges what arrives, so that no
limit of TCP ends the wait. Only processes and threads that set a limit here have one. Without it a
statement may take any time, as those of migrations and of verify_stores do.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

R = TypeVar("R")
# How often psycopg looks whether it was interrupted while it waits; its own default.
_INTERVAL_SECONDS = 0.1


class _Limit(threading.local):
    """Seconds for a statement. What a thread sets holds for it alone, in place of the process's."""

    seconds: float | None = None


_limit = _Limit()


def limit_process(seconds: float) -> None:
    """From now on each statement of this process, and of its forks, has so many seconds."""
    _Limit.seconds = seconds


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Each statement of this thread in the block has so many seconds; None: any time."""
    before = dict(vars(_limit))
    _limit.seconds = seconds
    try:
        yield
    finally:
        vars(_limit).clear()
        vars(_limit).update(before)


class Connection(psycopg.Connection[Any]):
    """psycopg's, whose waits have the limit."""

    def wait(
        self, gen: PQGen[R], interval: float = _INTERVAL_SECONDS, timeout: float | None = None
    ) -> R:
        """Raises OperationalError, and the connection is closed, if there is no answer in time.

        The server may still carry out the statement. It can't be asked to cancel it: that needs
        another connection, and it would not answer there either.
        """
        if timeout is not None or (limit := _limit.seconds) is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, limit)
        except _WaitTimeout:
            self.close()
        raise psycopg.OperationalError(f"PostgreSQL has not answered within {limit:g} s")
