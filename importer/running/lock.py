"""Stops two processes from importing the same file at once. A dead process loses its lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from events.postgres.lock import Lock
from events.postgres.lock import take as take_lock
from importer.reading.chunks import FileRefused


class InProgress(FileRefused):
    """Another process is importing the same file and records the result."""


# The locks of this process, by key.
_held: dict[str, Lock] = {}


@contextmanager
def alone(key: str, path: Path | str) -> Iterator[None]:
    """Hold the lock. Raises InProgress if another process has it, and psycopg.Error."""
    take(key, path)
    try:
        yield
    finally:
        _release(key)


def renew(key: str, path: Path | str) -> None:
    """Take the lock again, as its connection may be lost. Raises the same errors as `alone`."""
    _release(key)
    take(key, path)


def check(key: str) -> None:
    """Raises psycopg.Error if the lock is lost."""
    if key not in _held:
        raise psycopg.OperationalError("the lock of the import is lost")
    _held[key].check()


def take(key: str, path: Path | str) -> None:
    """Take the lock until it is released or lost. Raises InProgress if another process has it."""
    held = take_lock(int.from_bytes(bytes.fromhex(key)[:8], signed=True))
    if held is None:
        raise InProgress(f"{path} is being imported by another process")
    _held[key] = held


def _release(key: str) -> None:
    if held := _held.pop(key, None):
        held.release()
