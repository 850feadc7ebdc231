"""Deletes a project with everything that is its own, in both stores.

Each step can be repeated, and the project's row goes last. So a deletion that was killed is
finished by the next call, and by beat (`finish`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable
from structlog import get_logger

from analytics.maintenance.migrate import drop_database
from events.models import Batch, RejectedEvent
from events.postgres.repair_lock import alone
from events.sql import load
from events.storing import dedup
from projects.models import DEFAULT, Project

log = get_logger(__name__)

# Hot events deleted in one transaction.
_BITE = 10_000
# A drop waits for stores that use the table, and new stores wait behind the drop.
_LOCK_TIMEOUT = "2s"
_ATTEMPTS = 30
_PAUSE_SECONDS = 0.5


class NotDeletable(Exception):
    """The default project stays."""


def delete(project: Project, *, by: str) -> None:
    """Delete the project. `by` is the user's name, for the log.

    Its keys are refused within 5 seconds, and its name is free again when this returns. Events of
    it that still wait on the queue are dropped. Raises NotDeletable, RepairRunning while another
    repair or rebuild runs, django.db.Error, psycopg.Error and ClickHouseError. The rest of it is
    then deleted later.
    """
    if project.pk == DEFAULT:
        raise NotDeletable("the default project can't be deleted")
    Project.objects.filter(pk=project.pk, deleted_at=None).update(deleted_at=Now())
    log.warning("project_deletion_began", project=project.pk, slug=project.slug, by=by)
    _finish(project)


def finish() -> int:
    """Finish all deletions that broke off. Returns how many. Raises the same errors as `delete`."""
    rows = list(Project.objects.exclude(deleted_at=None))
    for project in rows:
        _finish(project)
    return len(rows)


def _finish(project: Project) -> None:
    number = project.pk
    with alone() as still_alone:
        _drop_ids(number)
        Batch.objects.filter(project=number).delete()
        RejectedEvent.objects.filter(project=number).delete()
        for _ in _deleted_hot(number):
            still_alone()
        drop_database(project=number)
        Project.objects.filter(pk=number).delete()  # and its keys, schemas and imports
    log.warning("project_deleted", project=number, slug=project.slug)


def _drop_ids(number: int) -> None:
    """Drop the table of ids. From then on no store can commit events of the project.

    A store inserts ids first, so it either has committed before the drop, or fails at the ids.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _lock_timeout():
                dedup.drop(number)
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or attempt == _ATTEMPTS:
                raise
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _lock_timeout() -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        yield


def _deleted_hot(number: int) -> Iterator[int]:
    """Delete the hot events, some in each transaction."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(load("delete_hot_events"), {"project": number, "limit": _BITE})
            deleted = int(cursor.rowcount)
        yield deleted
        if deleted < _BITE:
            return
