"""What workers do with uploads: they import those that wait, and delete old ones."""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

from django.conf import settings
from structlog import get_logger

from importer.mapping import arguments
from importer.mapping.options import OptionError
from importer.models import Import
from importer.reading.chunks import FileRefused, Interrupted
from importer.reading.files import REJECTED
from importer.receiving.uploads import KEPT_FREE_BYTES, path_of
from importer.running import record
from importer.running.lock import InProgress, alone
from importer.running.run import SPARE, Run, import_rest

# Limits the rejected rows of an upload: two bytes of a file can make fifty bytes of rejected rows.
# A small file may have less: this many times its size, or REJECTED_LEAST_BYTES if that is more.
REJECTED_BYTES, REJECTED_LEAST_BYTES = 256 * 1024**2, 16 * 1024**2
REJECTED_TIMES = 20
# After this many runs in a row that ended early and stored nothing, the file is given up: it
# probably kills the process that reads it.
MAX_ATTEMPTS = 5
# An upload that has run for so long gives way to others.
TURN_SECONDS = 30.0

log = get_logger(__name__)


def import_waiting() -> bool:
    """Import every upload that waits or that a killed process left. Always returns True.

    Those that had fewer turns come first, then the oldest: so a small upload does not wait for the
    end of a large one.
    """
    # The turn of each upload that this call leaves unfinished. It is not tried again: another
    # process may have the upload, or a problem may have stopped it that is still there.
    tried: dict[UUID, int] = {}
    while row := _next(tried):
        turn = row.turns
        with suppress(InProgress):
            _import(row)
        if row.state not in (Import.State.DONE, Import.State.FAILED):
            tried[row.pk] = turn
    return True


def _next(tried: Mapping[UUID, int]) -> Import | None:
    rows = Import.objects.filter(
        upload=True,
        state__in=[Import.State.WAITING, Import.State.RUNNING, Import.State.STOPPED],
    ).order_by("turns", "created_at")
    # No more rows than this: thousands may wait, and each end of one asks for the next.
    first = rows[: len(tried) + 1]
    return next((row for row in first if tried.get(row.pk) != row.turns), None)


class _Turn:
    """The time that an upload may take while others wait."""

    def __init__(self, row: Import) -> None:
        self._row, self._first = row.pk, row.read
        self._began = time.monotonic()
        self._until: float | None = None

    def is_over(self) -> bool:
        """Whether the upload gives way; asked after each batch."""
        now = time.monotonic()
        if self._until is None:
            # The rows of earlier turns are read again. This takes at most half of a turn: else
            # the rest of a large file would take many times as long.
            again = now - self._began if self._first else 0.0
            self._until = self._began + max(TURN_SECONDS, 2 * again)
        return now >= self._until and self._others_wait()

    def _others_wait(self) -> bool:
        waiting = Import.objects.filter(upload=True, state=Import.State.WAITING)
        return waiting.exclude(pk=self._row).exists()


def _import(row: Import) -> None:
    with alone(row.key, row.path):
        try:
            row.refresh_from_db()
        except Import.DoesNotExist:
            return  # deleted with its project
        if row.state in (Import.State.DONE, Import.State.FAILED):
            return
        if row.attempts >= MAX_ATTEMPTS:
            _give_up(row, f"gave up after {row.attempts} runs that were killed or ended early")
            return
        try:
            options = arguments.parse(**row.options)
        except OptionError as error:  # another version of the service stored them
            _give_up(row, str(error))
            return
        run = Run(
            cast(int, row.project_id),
            options,
            rejected_bytes=_rejected_bytes(row),
            leave_free=KEPT_FREE_BYTES,
            gives_way=_Turn(row).is_over,
        )
        try:
            import_rest(path_of(row), record.start(row), run)
        except InProgress:
            raise
        except FileRefused as error:
            _tell(row, error)
            if isinstance(error, Interrupted):
                return
        # Whatever gave way needs its file again.
        if row.state != Import.State.WAITING:
            path_of(row).unlink(missing_ok=True)


def _rejected_bytes(row: Import) -> int:
    """How many bytes the rejected rows of an upload may take."""
    return min(REJECTED_BYTES, max(REJECTED_LEAST_BYTES, REJECTED_TIMES * row.size))


def _give_up(row: Import, reason: str) -> None:
    record.fail(row, reason)
    path_of(row).unlink(missing_ok=True)


def _tell(row: Import, error: FileRefused) -> None:
    row.error = str(error).replace(str(path_of(row)), row.path or "the file")
    row.save(update_fields=["error"])
    log.warning("upload_failed", upload=str(row.pk), error=row.error)


def _purge_strays(*, before: datetime) -> None:
    """Delete files of imports that have no row: their project was deleted."""
    folder = Path(settings.IMPORT_FOLDER)
    for path in folder.glob("*-*-*-*-*") if folder.is_dir() else ():
        try:
            pk, age = UUID(path.name[:36]), path.stat().st_mtime
        except (ValueError, OSError):
            continue
        if age < before.timestamp() and not Import.objects.filter(pk=pk).exists():
            path.unlink(missing_ok=True)


def purge(*, now: datetime) -> int:
    """Delete uploads that ended IMPORT_DAYS ago, or that stopped arriving a day ago.

    Returns how many. Also deletes rejected rows of commands in IMPORT_FOLDER that are IMPORT_DAYS
    old.
    """
    old = now - timedelta(days=settings.IMPORT_DAYS)
    ended = Import.objects.filter(upload=True, finished_at__lt=old)
    abandoned = Import.objects.filter(
        upload=True, state=Import.State.RECEIVING, updated_at__lt=now - timedelta(days=1)
    )
    rows = [*ended, *abandoned]
    for row in rows:
        for path in Path(settings.IMPORT_FOLDER).glob(f"{row.pk}*"):
            path.unlink(missing_ok=True)
        row.delete()
    _purge_strays(before=now - timedelta(days=1))
    for path in (Path(settings.IMPORT_FOLDER) / SPARE).glob(f"*{REJECTED}*"):
        if path.stat().st_mtime < old.timestamp():
            path.unlink(missing_ok=True)
    return len(rows)
