"""Keeps two imports of one file apart; a process that died is no hindrance."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from events.postgres.lock import Lock
from events.postgres.lock import take as take_lock
from importer.reading.chunks import FileRefused


class InProgress(FileRefused):
    """Another process is importing the same file, and writes down what becomes of it."""


# Of this process, by key.
_held: dict[str, Lock] = {}


@contextmanager
def alone(key: str, path: Path | str) -> Iterator[None]:
    """Raises InProgress while another has the lock, and psycopg.Error."""
    take(key, path)
    try:
        yield
    finally:
        _release(key)


def renew(key: str, path: Path | str) -> None:
    """Take the lock once more: the connection that had it may be lost. Raises as `alone` does."""
    _release(key)
    take(key, path)


def check(key: str) -> None:
    """Raises psycopg.Error where the lock is lost."""
    if key not in _held:
        raise psycopg.OperationalError("the lock of the import is lost")
    _held[key].check()


def take(key: str, path: Path | str) -> None:
    """Take the lock until it is released or lost. Raises InProgress while another has it."""
    held = take_lock(int.from_bytes(bytes.fromhex(key)[:8], signed=True))
    if held is None:
        raise InProgress(f"{path} is being imported by another process")
    _held[key] = held


def _release(key: str) -> None:
    if held := _held.pop(key, None):
        held.release()
