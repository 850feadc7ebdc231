"""A lock in PostgreSQL for whoever mends the stores: two at once would undo each other's counts."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


class RepairRunning(Exception):
    """Another process is repairing the stores."""


@contextmanager
def alone() -> Iterator[None]:
    """For as long as only one may repair. Raises RepairRunning."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('repair of the stores'))")
        if not cursor.fetchone()[0]:
            raise RepairRunning("another repair is running")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('repair of the stores'))")
