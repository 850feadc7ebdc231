"""What happens in other threads meanwhile."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil
from django.db import connection, connections

T = TypeVar("T")


def in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=_and_disconnected, args=(work,))
    thread.start()
    thread.join()


def at_once(works: Iterable[Callable[[], T]]) -> list[T]:
    """What each gives, all in threads; an error of one is raised here."""
    works = list(works)
    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(_and_disconnected, works))


def _and_disconnected(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()


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


def end_own_connections() -> None:
    """What a restart of PostgreSQL does to whoever is connected; here to this process alone."""
    own = [one.laddr.port for one in psutil.Process().net_connections("tcp")]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE client_port = ANY(%s) AND pid <> pg_backend_pid()",
            [own],
        )
