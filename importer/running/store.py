"""Stores a batch of a file: its events, its place in the file and its rejected rows."""

import threading
import time
from contextlib import suppress
from typing import cast

from django.db import DatabaseError, connection, transaction
from psycopg import errors
from structlog import get_logger

from config.building_blocks import unavailable
from config.monitoring import metrics
from events.models import Batch as OutboxBatch
from events.storing.store import NoProject, Stored, store
from importer.models import Import
from importer.reading.chunks import FileRefused
from importer.reading.rejects import Rejects
from importer.running import delivery, lock, record
from importer.running.batches import Batch
from projects.counts import count_events

# How long an import waits for PostgreSQL, for example during a restart or failover.
PATIENCE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 5.0

_FULL = (errors.DiskFull, errors.InsufficientResources)

log = get_logger(__name__)


class Storer:
    """Stores the batches of one import in order, each once, across restarts of PostgreSQL."""

    def __init__(self, row: Import, rejects: Rejects, stop: threading.Event) -> None:
        self._row, self._rejects, self._stop = row, rejects, stop
        self._project = cast(int, row.project_id)

    def store(self, batch: Batch) -> None:
        """Store a batch. When this returns, its events and the import's counts are committed.

        Both are committed in one transaction. Raises FileRefused if rejected rows can't be
        written, or if another import has taken over; django.db.Error or psycopg.Error if
        PostgreSQL fails for long.
        """
        self._rejects.add(batch.bad)
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.2
        while True:
            try:
                delivery.hold_back(project=self._project, since=self._row.started_at)
                lock.check(self._row.key)
                self._store(batch)
                return
            except unavailable.POSTGRESQL as error:
                if _is_full(error) or time.monotonic() > deadline or self._stop.is_set():
                    raise
                log.warning("import_waits_for_postgresql", error=type(error).__name__)
            self._stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            with suppress(DatabaseError, *unavailable.POSTGRESQL):
                connection.close()  # Django would keep using a lost connection
                lock.renew(self._row.key, self._row.path)

    def _store(self, batch: Batch) -> None:
        with transaction.atomic():
            row = Import.objects.select_for_update().filter(pk=self._row.pk).first()
            if row is None:
                raise FileRefused("stopped: the import was deleted, with its project")
            # If only the answer to an earlier commit was lost, the batch is stored already.
            if row.read < batch.end:
                stored = self._stored(batch)
                row.read, row.position = batch.end, batch.position
                row.stored += stored.stored
                row.duplicates += stored.duplicates
                row.bad += len(batch.bad)
                row.rejected_bytes = self._rejects.size
                path = record.storable(str(self._rejects.path))
                row.rejected_path = path if row.rejected_bytes else ""
                row.attempts = 0
                row.save(update_fields=_MOVED)
        for name in _MOVED:
            setattr(self._row, name, getattr(row, name))
        _count(self._project, batch)

    def _stored(self, batch: Batch) -> Stored:
        try:
            return store(
                project=self._project,
                frames=batch.frames,
                source=OutboxBatch.Source.IMPORT,
            )
        except NoProject as error:
            raise FileRefused(f"stopped: {error}") from None


def _count(project: int, batch: Batch) -> None:
    metrics.EVENTS_RECEIVED.labels("import").inc(batch.read)
    metrics.EVENTS_REJECTED.labels("import").inc(len(batch.bad))
    count_events(project, received=batch.read, rejected=len(batch.bad))


_MOVED = (
    *("read", "position", "stored", "duplicates", "bad", "rejected_bytes", "rejected_path"),
    *("attempts", "updated_at"),
)


def _is_full(error: Exception) -> bool:
    return isinstance(error, _FULL) or isinstance(error.__cause__, _FULL)
