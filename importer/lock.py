"""Keeps two imports of one file apart; a process that died is no hindrance."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import DatabaseError, connection

from importer.chunks import FileRefused


class InProgress(FileRefused):
    """Another process is importing the same file, and writes down what becomes of it."""


@contextmanager
def alone(key: str, path: Path | str) -> Iterator[None]:
    """Raises InProgress while another has the lock."""
    take(key, path)
    try:
        yield
    finally:
        _release(key)


def renew(key: str, path: Path | str) -> None:
    """Take the lock on a new connection: the old one may be lost, and its lock with it."""
    _release(key)
    connection.close()
    take(key, path)


def _release(key: str) -> None:
    # Without a connection there is no lock either.
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [_number(key)])


def take(key: str, path: Path | str) -> None:
    """Take the lock for this connection. Raises InProgress while another has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_number(key)])
        if cursor.fetchone() != (True,):
            raise InProgress(f"{path} is being imported by another process")


def _number(key: str) -> int:
    return int.from_bytes(bytes.fromhex(key)[:8], signed=True)
