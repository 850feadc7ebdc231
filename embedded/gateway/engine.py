"""chDB on one data directory: a fresh connection per request, a bound on how many run at once."""

import fcntl
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import chdb

from embedded.gateway.errors import from_engine, refusal

# chDB ships with async inserts on; a confirmed insert must be in the table.
_BASE_SETTINGS = {"async_insert": "0"}
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class FolderError(Exception):
    """The data directory can't be used; the text says why."""


def quote(value: str) -> str:
    """A string literal of ClickHouse SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def check_folder(path: Path) -> None:
    """Raise FolderError unless the directory exists or can be made, is writable and is free.

    chDB holds a lock on the file `status` inside it for as long as it has the directory open.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise FolderError(f"data folder {path} is not writable: {error.strerror}") from None
    with suppress(FileNotFoundError), (path / "status").open("rb") as status:
        try:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(f"data folder {path} is in use by another gateway") from None


class Engine:
    """The open data directory. Safe to share between threads."""

    def __init__(
        self, *, path: Path, memory_bytes: int, max_queries: int, queue_seconds: float
    ) -> None:
        check_folder(path)
        self._path = str(path.resolve())
        self._memory_bytes = memory_bytes
        self._slots = threading.BoundedSemaphore(max_queries)
        self._max_queries = max_queries
        self._queue_seconds = queue_seconds
        options = f"max_server_memory_usage={memory_bytes}&mark_cache_size={memory_bytes // 8}"
        try:
            # Keeps the engine open between requests: it shuts down with its last connection.
            self._anchor = _connect(f"{self._path}?{options}")
        except RuntimeError as error:
            raise FolderError(f"data folder {path} can't be opened: {error}") from None
        self.timezone = self._anchor.query("SELECT timezone()", "TSVRaw").bytes().decode().strip()

    @contextmanager
    def session(self, *, settings: Mapping[str, str], database: str) -> Iterator[Any]:
        """A connection of its own with these settings, so that none leaks into another query.

        Opening one costs 0.2 ms. `settings` may hold query parameters as `param_x`. Raises
        EngineError for an unknown setting or database, and TOO_MANY_SIMULTANEOUS_QUERIES when
        no slot becomes free in time.
        """
        if not self._slots.acquire(timeout=self._queue_seconds):
            raise refusal(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                f"Too many simultaneous queries. Maximum: {self._max_queries}",
            )
        try:
            connection = _connect(self._path)
            try:
                _prepare(connection, {**_BASE_SETTINGS, **settings}, database)
                yield connection
            finally:
                connection.close()
        except RuntimeError as error:  # chDB's own are all of this class
            raise from_engine(error) from error
        finally:
            self._slots.release()

    def kill(self, marker: str) -> None:
        """Cancel the queries whose text begins with this marker; all of them for an empty one."""
        connection = _connect(self._path)
        try:
            condition = f"startsWith(query, {quote(marker)})"
            connection.query(f"KILL QUERY WHERE {condition} ASYNC", "Null")
        finally:
            connection.close()

    def close(self, *, patience_seconds: float) -> bool:
        """Cancel what runs, wait for it, close chDB. False when something would not end."""
        with suppress(RuntimeError):
            self.kill("")
        deadline = time.monotonic() + patience_seconds
        for _ in range(self._max_queries):
            if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
        self._anchor.close()
        return True


def _connect(target: str) -> Any:
    return chdb.connect(target)  # type: ignore[no-untyped-call]


def _prepare(connection: Any, settings: Mapping[str, str], database: str) -> None:
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise refusal(115, "UNKNOWN_SETTING", f"Unknown setting {quote(name)}")
    assignments = ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())
    sql = f"SET {assignments}"
    if database:
        name = database.replace("\\", "\\\\").replace("`", "\\`")
        sql += f"; USE `{name}`"
    connection.query(sql, "Null")


def default_memory_bytes() -> int:
    """Half of the machine's memory, within the limits of a control group if there is one."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 2
