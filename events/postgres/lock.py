"""A lock in PostgreSQL that ends with whoever holds it, also behind PgBouncer.

PgBouncer lends a connection for a transaction, so a lock of the session would stay with one that
is somebody else's by then. This one is of a transaction, kept open on a connection of its own.
That has read nothing, so it holds back no vacuum.
"""

from typing import Any

import psycopg
from django.db import connection


class Lock:
    """One that was taken. A connection that breaks takes its lock with it."""

    def __init__(self, own: "psycopg.Connection[Any]") -> None:
        self._own = own

    def check(self) -> None:
        """Raises psycopg.Error where it is lost."""
        self._own.execute("SELECT 1")

    def release(self) -> None:
        self._own.close()


def take(number: int) -> Lock | None:
    """None while another has it. Raises psycopg.Error."""
    own = psycopg.connect(**connection.get_connection_params())
    try:
        row = own.execute("SELECT pg_try_advisory_xact_lock(%s)", [number]).fetchone()
    except BaseException:
        own.close()
        raise
    if row == (True,):
        return Lock(own)
    own.close()
    return None
