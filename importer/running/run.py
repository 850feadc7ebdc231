"""Imports the events of one file; they are stored in the same way as all other events."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile
from typing import NamedTuple, TypeAlias
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import DatabaseError

from events.storing import quota
from importer.mapping.options import Options
from importer.models import Import
from importer.reading import columns_and_chunks
from importer.reading.chunks import BadRow, FileRefused, Interrupted
from importer.reading.files import REJECTED, STDIN, OpenFile, opened, reading
from importer.reading.read_ahead import ahead
from importer.reading.rejects import Rejects
from importer.running import delivery, record
from importer.running.batches import Batch, batches, without
from importer.running.lock import InProgress, alone
from importer.running.store import Storer
from projects.models import DEFAULT

# The folder in IMPORT_FOLDER for rejected rows, if they can't be written beside their file.
SPARE = "rejected"
# Called with the present row and the rows refused since the last call.
Watch: TypeAlias = Callable[[Import, list[BadRow]], None]


class TooManyBadRows(FileRefused):
    """More rows were bad than allowed."""


@dataclass(frozen=True)
class Run:
    """The settings of an import, besides its file.

    `project` is the number of the project that gets the events. `force` reads a file again even if
    its import was finished. `dry_run` checks every row and stores none. `rejected_folder` is the
    folder for refused rows; by default they go beside the file, or into IMPORT_FOLDER if nothing
    can be written there. The import fails if refused rows take more than `rejected_bytes`, and
    stops if their disk has less than `leave_free` bytes left. `watch` is called after each batch.
    Once `stop` is set, the import ends after the current batch. It also ends there if `gives_way`
    says so; then it waits for another turn.
    """

    project: int
    options: Options = field(default_factory=Options)
    force: bool = False
    dry_run: bool = False
    rejected_folder: Path | None = None
    rejected_bytes: int | None = None
    leave_free: int = 0
    watch: Watch = lambda _row, _bad: None
    stop: threading.Event = field(default_factory=threading.Event)
    gives_way: Callable[[], bool] = lambda: False


class Summary(NamedTuple):
    """The result of an import: `row.read = stored + duplicates + bad` rows, in `seconds`.

    An earlier run that did not finish read `before` of these rows. `waiting` counts the batches
    that ClickHouse has not confirmed; they stay in the outbox. A `skipped` file was imported before
    and was not read again.
    """

    row: Import
    before: int = 0
    waiting: int = 0
    seconds: float = 0.0
    skipped: bool = False


def import_file(path: Path, run: Run) -> Summary:
    """Store a file's events, and wait until they are in ClickHouse if it can be reached.

    Continues after the rows that an earlier run has stored. Raises FileRefused if nothing can be
    imported from the file, or not to its end, or if the month of the project is used up;
    django.db.Error or psycopg.Error if PostgreSQL fails for long. Another call stores what is
    missing.
    """
    if run.dry_run:
        return _try(path, run)
    started = time.monotonic()
    size, key = _identity(path, run.project)
    meaning = run.options.meaning()
    with alone(key, path):
        if record.starts_over(key=key, meaning=meaning):
            with opened(path) as file:  # wrong options must not lose the place in the file
                columns_and_chunks(file, run.options)
        if record.is_new(key=key, meaning=meaning, run_again=run.force):
            _require_quota(path, run.project)
        row = record.begin(
            project=run.project,
            key=key,
            path=path,
            size=size,
            meaning=meaning,
            run_again=run.force,
        )
        if row.state == Import.State.DONE:
            return Summary(row, skipped=True)
        before = row.read
        waiting = import_rest(path, row, run)
    return Summary(row, before, waiting, time.monotonic() - started)


def _require_quota(path: Path, project: int) -> None:
    """Raises FileRefused if the month of the project is used up. A file may go past what is left of
    it, and one that has begun goes on.
    """
    try:
        quota.require_some(project)
    except quota.QuotaReached as reached:
        raise FileRefused(f"{path}: not imported: {reached}; set_limits changes that") from None


def import_rest(path: Path, row: Import, run: Run) -> int:
    """Store the rows after the first `row.read`. Returns how many batches wait for ClickHouse.

    The caller must hold the row's lock. Raises the same errors as `import_file`.
    """
    with _recorded(row):
        with opened(path) as file:
            _store_rest(file, row, run)
        if run.stop.is_set():
            row.state = Import.State.STOPPED
        if row.state != Import.State.RUNNING:
            return 0
        # Nobody waited for the batches of the turns before.
        since = row.created_at if row.turns else row.started_at
        return delivery.finish(project=run.project, since=since, stop=run.stop)


def _store_rest(file: OpenFile, row: Import, run: Run) -> None:
    columns, chunks = columns_and_chunks(file, run.options)
    rejects = Rejects(
        _rejected(file, run, row.key),
        columns,
        kept=row.rejected_bytes,
        at_most=run.rejected_bytes,
        leave_free=run.leave_free,
    )
    storer = Storer(row, rejects, run.stop)
    limit = run.options.max_errors.rows
    found = batches(
        without(chunks, row.read),
        project=run.project,
        bad_at_most=None if limit is None else max(0, limit - row.bad),
    )
    for batch in ahead(_followed(found, file, row.read), stop=run.stop):
        storer.store(batch)
        run.watch(row, batch.bad)
        _check_errors(row, run)
        if run.gives_way():
            row.state = Import.State.WAITING
            return
    _check_errors(row, run, ended=not run.stop.is_set())


def _check_errors(row: Import, run: Run, *, ended: bool = False) -> None:
    """Raises TooManyBadRows."""
    limit = run.options.max_errors
    exceeded = limit.exceeded_at_the_end if ended else limit.exceeded
    if exceeded(bad=row.bad, read=row.read):
        raise TooManyBadRows(
            f"{row.path}: stopped, because {row.bad:,} of {row.read:,} rows are bad, more than"
            " max_errors allows"
        )


def _try(path: Path, run: Run) -> Summary:
    """Check every row and store none."""
    started = time.monotonic()
    row = Import(path=str(path), state=Import.State.DONE)
    with opened(path) as file:
        row.size = file.size
        columns, chunks = columns_and_chunks(file, run.options)
        rejects = Rejects(_rejected(file, run, "dry-run"), columns)
        for batch in ahead(_followed(batches(chunks, project=run.project), file, 0), stop=run.stop):
            rejects.add(batch.bad)
            row.read, row.position = batch.end, batch.position
            row.bad += len(batch.bad)
            row.rejected_path = str(rejects.path) if row.bad else ""
            run.watch(row, batch.bad)
            _check_errors(row, run)
        _check_errors(row, run, ended=not run.stop.is_set())
    return Summary(row, seconds=time.monotonic() - started)


def _identity(path: Path, project: int) -> tuple[int, str]:
    """The size in bytes, and the key of a file in a project; standard input gets a new key."""
    if path == STDIN:
        return 0, uuid4().hex
    with reading(path):
        status = path.stat()
    known_by = f"{project}\0{path}\0{status.st_size}\0{status.st_mtime_ns}"
    return status.st_size, hashlib.sha256(known_by.encode(errors="surrogateescape")).hexdigest()


def _rejected(file: OpenFile, run: Run, key: str) -> Path:
    """The path for rejected rows: beside the file if possible. In containers it often is not.

    In a folder for many files, `key` separates files of the same name.
    """
    name = "stdin" if file.name == str(STDIN) else Path(file.name).name
    middle = ".dry-run" if run.dry_run else ""
    middle += "" if run.project == DEFAULT else f".{run.project}"
    beside = Path(file.name).parent
    if run.rejected_folder is None and _can_write(beside):
        return beside / f"{name}{middle}{REJECTED}"
    folder = run.rejected_folder or _spare_folder()
    return folder / f"{name}.{key[:8]}{REJECTED}"


def _can_write(folder: Path) -> bool:
    """Tries to create a file: permissions alone do not answer this, least of all for root."""
    try:
        TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _spare_folder() -> Path:
    folder = Path(settings.IMPORT_FOLDER) / SPARE
    # A folder that can't be written matters only once there is a bad row.
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _followed(found: Iterator[Batch], file: OpenFile, read: int) -> Iterator[Batch]:
    """The batches with their place in the file. Raises FileRefused if the file changes."""
    unchanged = _state_of(file)
    for batch in found:
        read += batch.read
        batch.end, batch.position = read, file.position()
        if _state_of(file) != unchanged:
            raise FileRefused(
                f"{file.name} changed while it was read; import it when nothing writes to it"
            )
        yield batch


def _state_of(file: OpenFile) -> tuple[int, int]:
    """The values that show a change of the file; 0 for a pipe, which changes all the time."""
    if file.name == str(STDIN):
        return 0, 0
    status = os.fstat(file.source.fileno())
    return (status.st_size, status.st_mtime_ns) if S_ISREG(status.st_mode) else (0, 0)


_PASSING = (DatabaseError, psycopg.Error, Interrupted, KeyboardInterrupt, SystemExit)


@contextmanager
def _recorded(row: Import) -> Iterator[None]:
    """Record in the row how the import ended, unless another process has taken it over."""
    try:
        yield
    except InProgress:
        raise
    except BaseException as error:
        # After a passing problem the import can go on later; a wrong file stays wrong.
        passing = isinstance(error, _PASSING)
        row.error = record.storable(str(error) or type(error).__name__)
        _end(row, Import.State.STOPPED if passing else Import.State.FAILED)
        raise
    else:
        if row.state == Import.State.WAITING:
            _end_turn(row)
        else:
            running = row.state == Import.State.RUNNING
            _end(row, Import.State.DONE if running else Import.State.STOPPED)


def _end(row: Import, state: str) -> None:
    row.state, row.attempts, row.finished_at = state, 0, datetime.now(UTC)
    # This fails too if the problem was PostgreSQL.
    with suppress(DatabaseError, psycopg.Error):
        row.save(update_fields=["state", "attempts", "error", "finished_at", "updated_at"])


def _end_turn(row: Import) -> None:
    row.attempts, row.turns = 0, row.turns + 1
    # If this fails, the row looks like that of a killed run, and goes on like one.
    with suppress(DatabaseError, psycopg.Error):
        row.save(update_fields=["state", "attempts", "turns", "updated_at"])
