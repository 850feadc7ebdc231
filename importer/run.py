"""Import: the events of one file, by the same store as all others."""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

from django.db import DatabaseError, connection, connections
from django.db.models.functions import Now

from events import property_schemas
from events.inspection import LATEST_AHEAD, EventError
from events.models import Batch
from events.records import frame
from events.store import store
from importer import delivery
from importer.csv_files import BadRow, Chunk, FileRefused, chunks
from importer.models import Import
from importer.rows import check

# What shares a transaction and a block of ClickHouse. The characters are those of properties;
# they bound memory where properties are large.
BATCH_ROWS = 20_000
BATCH_CHARACTERS = 16 * 1024 * 1024

Report: TypeAlias = Callable[[BadRow], None]


class Summary(NamedTuple):
    """What became of a file: `read = stored + duplicates + bad` rows, in `seconds`.

    `waiting` counts the batches that ClickHouse has not confirmed; they stay in the outbox. A
    `skipped` file was imported before and has not been read.
    """

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    bad: int = 0
    waiting: int = 0
    seconds: float = 0.0
    skipped: bool = False


@dataclass(slots=True)
class _Batch:
    frames: list[bytes] = field(default_factory=list)
    read: int = 0
    bad: int = 0
    characters: int = 0


def import_file(*, path: Path, force: bool = False, report: Report) -> Summary:
    """Store a CSV file's events, and wait until they are in ClickHouse if it can be reached.

    A file imported to its end before is skipped, unless `force`. Bad rows are passed to `report`
    in order. Raises FileRefused when nothing can be imported from the file; django.db.Error or
    psycopg.Error when PostgreSQL fails, where the same call again stores what is missing.
    """
    started = time.monotonic()
    path = path.resolve()
    size, key = _identity(path)
    with _alone(key, path):
        if not force and Import.objects.filter(key=key, state=Import.State.DONE).exists():
            return Summary(skipped=True)
        row = _begin(key=key, path=path, size=size)
        with _recorded(row):
            _store_all(row, path, report)
            waiting = delivery.finish(since=row.started_at)
    seconds = time.monotonic() - started
    return Summary(row.read, row.stored, row.duplicates, row.bad, waiting, seconds)


def _identity(path: Path) -> tuple[int, str]:
    """Size in bytes, and the key by which a file is known."""
    try:
        status = path.stat()
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error
    known_by = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
    return status.st_size, hashlib.sha256(known_by.encode(errors="surrogateescape")).hexdigest()


@contextmanager
def _alone(key: str, path: Path) -> Iterator[None]:
    """Keep any other process from importing the same file meanwhile; a dead one is no hindrance."""
    number = int.from_bytes(bytes.fromhex(key)[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if cursor.fetchone() != (True,):
            raise FileRefused(f"{path} is being imported by another process")
    try:
        yield
    finally:
        # Without a connection there is no lock either.
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def _begin(*, key: str, path: Path, size: int) -> Import:
    """The file's row, as it starts; one left behind by a killed import is used again."""
    fresh = Import(key=key, path=str(path), size=size)
    values = {name: getattr(fresh, name) for name in ("path", "size", "state", *_COUNTS, "error")}
    values |= {"started_at": Now(), "finished_at": None}
    row, _ = Import.objects.update_or_create(key=key, defaults=values)
    row.refresh_from_db()
    return row


_COUNTS = ("read", "stored", "duplicates", "bad")


@contextmanager
def _recorded(row: Import) -> Iterator[None]:
    """Note in the row how the import ended."""
    try:
        yield
        row.state = Import.State.DONE
    except BaseException as error:
        row.state = Import.State.FAILED
        row.error = str(error) or type(error).__name__
        raise
    finally:
        row.finished_at = datetime.now(UTC)
        # PostgreSQL may be what failed.
        with suppress(DatabaseError):
            row.save(update_fields=["state", "error", "finished_at"])


def _store_all(row: Import, path: Path, report: Report) -> None:
    """Read and check one batch while another thread stores the one before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as storer:
        storing: Future[None] | None = None
        try:
            for batch in _batches(path, report):
                if storing:
                    storing.result()
                storing = storer.submit(_store, row, batch)
            if storing:
                storing.result()
        finally:
            storer.submit(connections.close_all)


def _store(row: Import, batch: _Batch) -> None:
    delivery.hold_back(since=row.started_at)
    stored = store(frames=batch.frames, source=Batch.Source.IMPORT)
    row.read += batch.read
    row.stored += stored.stored
    row.duplicates += stored.duplicates
    row.bad += batch.bad
    row.save(update_fields=_COUNTS)


def _batches(path: Path, report: Report) -> Iterator[_Batch]:
    batch = _Batch()
    for chunk in chunks(path):
        _add(batch, chunk, report)
        if batch.read >= BATCH_ROWS or batch.characters >= BATCH_CHARACTERS:
            yield batch
            batch = _Batch()
    yield batch


def _add(batch: _Batch, chunk: Chunk, report: Report) -> None:
    checked = property_schemas.apply(check(chunk.rows, latest=datetime.now(UTC) + LATEST_AHEAD))
    bad = [BadRow(chunk.lines[error.index], _reason(error)) for error in checked.errors]
    for row in sorted(chunk.bad + bad):
        report(row)
    if checked.records:
        batch.frames.append(frame(checked.records))
    batch.read += len(chunk.rows) + len(chunk.bad)
    batch.bad += len(chunk.bad) + len(bad)
    batch.characters += chunk.characters


def _reason(error: EventError) -> str:
    field, message = error.field or "", error.message
    return message if field in message else f"{field}: {message}"
