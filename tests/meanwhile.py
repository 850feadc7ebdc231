"""What happens in other threads meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections


def in_thread(work: Callable[[], object]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Until the work is done, which began before and may wait for locks that we have."""
    thread = threading.Thread(target=in_thread, args=(work,))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def waiting_for_locks() -> int:
    """How many wait for a lock of PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def impatient(work: Callable[[], object]) -> Callable[[], object]:
    """Work that fails where it would wait for a lock, though not at once."""

    def run() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        return work()

    return run


def before(monkeypatch: Any, module: Any, name: str, happens: Callable[[], object]) -> None:
    """Something happens, once, right before a function of the module is called."""
    real = getattr(module, name)
    pending = [happens]

    def patched(*args: Any, **kwargs: Any) -> Any:
        if pending:
            in_thread(pending.pop())
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, patched)
