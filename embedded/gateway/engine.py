"""chDB on one data directory: connections for requests, and a limit on queries at once."""

import fcntl
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import chdb

from embedded.gateway import deduplication
from embedded.gateway.errors import from_engine, refusal

# chDB uses async inserts by default, but a confirmed insert must be in the table.
_BASE_SETTINGS = {"async_insert": "0"}
# It differs in each request, as it has the request's id. All other settings last.
_OF_ONE_QUERY = "log_comment"
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_MARKER_END = " gateway */"


class FolderError(Exception):
    """The data directory can't be used; the text says why."""


def new_marker() -> str:
    """A comment for the end of a query, by which `Engine.kill` finds the query."""
    return f"/* {uuid.uuid4().hex}{_MARKER_END}"


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _connect(target: str) -> Any:
    return chdb.connect(target)  # type: ignore[no-untyped-call]


def _check_folder(path: Path) -> None:
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


def _mend_tokens(path: Path) -> None:
    try:
        deduplication.mend(path)
    except OSError as error:
        raise FolderError(f"data folder {path} can't be repaired: {error.strerror}") from None


class _Idle(NamedTuple):
    """A connection, with what it was set to."""

    preamble: str
    comment: str
    connection: Any


class Engine:
    """The open data directory. Safe to share between threads."""

    def __init__(
        self,
        *,
        path: Path,
        memory_bytes: int,
        max_queries: int,
        queue_seconds: float,
        config: Path | None = None,
    ) -> None:
        _check_folder(path)
        _mend_tokens(path)
        self.path = path.resolve()
        self._max_queries = max_queries
        self._queue_seconds = queue_seconds
        self._slots = threading.BoundedSemaphore(max_queries)
        options = urlencode(
            {
                # Backups may go wherever the user may write; the same is true of `file()`.
                "backups.allowed_path": "/",
                "max_server_memory_usage": memory_bytes,
                "mark_cache_size": memory_bytes // 8,
                "merges_mutations_memory_usage_soft_limit": memory_bytes // 2,
                **({"config-file": config} if config else {}),
            }
        )
        try:
            # Keeps the engine open between requests: it shuts down with its last connection.
            self._anchor = _connect(f"{self.path}?{options}")
        except RuntimeError as error:
            raise FolderError(f"data folder {path} can't be opened: {error}") from None
        # Connections that no request uses, the newest last.
        self._idle: list[_Idle] = []
        # How often it was told that databases may have gone.
        self._told = 0
        self._idle_lock = threading.Lock()
        self.timezone = self._rows("SELECT timezone()")[0]

    def _rows(self, sql: str) -> list[str]:
        with closing(_connect(str(self.path))) as connection:
            text: str = connection.query(sql, "TSVRaw").bytes().decode()
        return text.splitlines()

    @contextmanager
    def session(
        self,
        *,
        settings: Mapping[str, str],
        database: str,
        only_reads: bool = False,
        at_once: bool = False,
    ) -> Iterator[Any]:
        """A connection with these settings, and no trace of another query.

        With `only_reads`, the next such session with the same settings may get the same connection:
        the query must change neither settings nor the database. With `at_once`, it does not wait
        for a slot and does not take one. Raises EngineError for an unknown setting or database, and
        TOO_MANY_SIMULTANEOUS_QUERIES if no slot becomes free in time.
        """
        if not at_once and not self._slots.acquire(timeout=self._queue_seconds):
            raise refusal(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                f"Too many simultaneous queries. Maximum: {self._max_queries}",
            )
        try:
            with ExitStack() as stack:
                lasting = {**_BASE_SETTINGS, **settings}
                comment = lasting.pop(_OF_ONE_QUERY, "")
                preamble = _preamble(lasting, database)
                told = self._told
                known = self._idle_one(preamble) if only_reads else None
                connection = known.connection if known else _connect(str(self.path))
                stack.callback(connection.close)
                if not known:
                    connection.query(preamble, "Null")
                if comment != (known.comment if known else ""):
                    connection.query(_preamble({_OF_ONE_QUERY: comment}, ""), "Null")
                yield connection
                if only_reads and self._keep(_Idle(preamble, comment, connection), told):
                    stack.pop_all()
        except RuntimeError as error:  # chDB's errors are of this class
            raise from_engine(error) from error
        finally:
            if not at_once:
                self._slots.release()

    def _idle_one(self, preamble: str) -> "_Idle | None":
        """The connection last used with this preamble, or None: to open and set one takes longer
        than a small query."""
        with self._idle_lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position].preamble == preamble:
                    return self._idle.pop(position)
        return None

    def _keep(self, idle: "_Idle", told: int) -> bool:
        """For a later request. At most as many are kept as queries may run at once."""
        with self._idle_lock:
            if told != self._told:
                return False
            self._idle.append(idle)
            oldest = self._idle.pop(0) if len(self._idle) > self._max_queries else None
        if oldest:
            oldest.connection.close()
        return True

    def forget_databases(self) -> None:
        """Keep no connection that may be in a database which is gone: it would not notice."""
        with self._idle_lock:
            self._told += 1
            idle, self._idle = self._idle, []
        for one in idle:
            one.connection.close()

    def kill(self, marker: str) -> None:
        """Cancel the queries that end with this marker."""
        self._rows(f"KILL QUERY WHERE endsWith(query, {_literal(marker)}) ASYNC")

    def close(self, *, patience_seconds: float) -> bool:
        """Cancel queries that only read, let the others end, flush Buffer tables, close chDB.

        Returns False if a query does not end in time. Confirmed data is kept either way, except in
        Buffer tables.
        """
        deadline = time.monotonic() + patience_seconds
        self.kill(_MARKER_END)
        for _ in range(self._max_queries):
            if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
        # chDB drops the rows a Buffer table holds when it closes; a server would flush them.
        tables = "SELECT database, name FROM system.tables WHERE engine = 'Buffer'"
        for row in self._rows(tables):
            database, name = row.split("\t")
            self._rows(f"OPTIMIZE TABLE {_identifier(database)}.{_identifier(name)}")
        self.forget_databases()
        self._anchor.close()
        return True


def _preamble(settings: Mapping[str, str], database: str) -> str:
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise refusal(115, "UNKNOWN_SETTING", f"Unknown setting {_literal(name)}")
    assignments = ", ".join(f"{name} = {_literal(value)}" for name, value in settings.items())
    # A new connection is in this database, and each statement costs 0.2 ms.
    is_there = database in ("", "default")
    return f"SET {assignments}" + ("" if is_there else f"; USE {_identifier(database)}")


def default_memory_bytes() -> int:
    """Half of the machine's memory, or half of the control group's limit if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 2
