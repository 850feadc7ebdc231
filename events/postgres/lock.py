"""A lock in PostgreSQL that ends when its holder ends, also behind PgBouncer.

PgBouncer lends a connection for one transaction. So a session lock would stay on a connection that
another client uses by then. This lock belongs to a transaction, which stays open on a connection of
its own. The transaction has read nothing, so it does not hold back vacuum.
"""

from contextlib import suppress
from typing import Any

import psycopg
from django.db import connection


class Lock:
    """A lock that was taken. If its connection breaks, the lock is lost."""

    def __init__(self, own: "psycopg.Connection[Any]") -> None:
        self._own = own

    def check(self) -> None:
        """Raises psycopg.Error if the lock is lost."""
        self._own.execute("SELECT 1")

    def release(self) -> None:
        # By a close alone the server lets go a moment later, and the next call finds it taken.
        with suppress(psycopg.Error):
            self._own.rollback()
        self._own.close()


def take(number: int) -> Lock | None:
    """Take the lock with this number; None while somebody else has it. Raises psycopg.Error."""
    own, [taken] = _asked("SELECT pg_try_advisory_xact_lock(%s)", number)
    if taken:
        return Lock(own)
    own.close()
    return None


def wait_for(number: int) -> Lock:
    """Take the lock when those who share it have let go. Raises psycopg.Error.

    While this waits, nobody else can share it.
    """
    own, _ = _asked("SELECT pg_advisory_xact_lock(%s)", number)
    return Lock(own)


def share(number: int) -> bool:
    """Share the lock until the transaction of Django's connection ends.

    False while somebody has it alone, or waits for that. Raises django.db.Error.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [number])
        return bool(cursor.fetchone()[0])


def _asked(sql: str, number: int) -> tuple["psycopg.Connection[Any]", Any]:
    """A connection of its own, in whose transaction this was asked, and the row of the answer."""
    own = psycopg.connect(**connection.get_connection_params())
    try:
        return own, own.execute(sql, [number]).fetchone()
    except BaseException:
        own.close()
        raise
