"""Deletes a project with everything that is its own, in both stores.

Each step can be repeated, and the slug goes last. So a deletion that was killed is finished by
the next call of `finish`, which beat makes every hour.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable
from structlog import get_logger

from analytics.maintenance.migrate import drop_database
from analytics.models import AskedProperty, SavedSegment
from config.building_blocks.background_work import BackgroundWork
from events.models import PropertySchema, RejectedEvent
from events.postgres.repair_lock import alone
from events.sql import load
from events.storing import dedup, hot
from projects.models import DEFAULT, ApiKey, Membership, Project

log = get_logger(__name__)

# Rows deleted in one transaction.
_BITE = 10_000
# A drop waits for stores that use the table, and new stores wait behind the drop.
_LOCK_TIMEOUT = "2s"
_ATTEMPTS = 30
_PAUSE_SECONDS = 0.5


class NotDeletable(Exception):
    """The default project stays."""


def begin(project: Project, *, by: str) -> None:
    """Mark the project: from now on it answers nobody. `by` is the user's name, for the log.

    Its keys are refused within 5 seconds. `finish` deletes the rest. Raises NotDeletable.
    """
    if project.pk == DEFAULT:
        raise NotDeletable("the default project can't be deleted")
    Project.objects.filter(pk=project.pk, deleted_at=None).update(deleted_at=Now())
    log.warning("project_deletion_began", project=project.pk, slug=project.slug, by=by)


def finish() -> int:
    """Delete everything of the projects that are marked. Returns how many are done now.

    Events that still wait on the queue are dropped later. Raises RepairRunning while another repair
    or rebuild runs, django.db.Error, psycopg.Error and ClickHouseError. The next call then goes on.
    """
    marked = Project.objects.exclude(deleted_at=None)
    # Also of projects deleted before: a process writes rejected events a moment late.
    for number in marked.values_list("pk", flat=True):
        _delete_rows(number)
    rows = list(marked.exclude(slug=None))
    for project in rows:
        _finish(project)
    return len(rows)


def finish_soon() -> None:
    """Have a thread of this process finish the deletions. Returns at once."""
    _finisher.soon()


def _finish_in_background() -> bool:
    finish()
    return True


_finisher = BackgroundWork(
    "deletions", _finish_in_background, linger=0.0, longest_pause=60.0, patient=True
)


def _finish(project: Project) -> None:
    number, slug = project.pk, project.slug
    _drop_ids(number)
    _delete_rows(number)
    for day in hot.partition_days():
        _run(f"DELETE FROM {hot.partition_name(day)} WHERE project_id = %(project)s", number)  # noqa: S608
    # No repair or rebuild may be at work in the database.
    with alone():
        drop_database(project=number)
    Project.objects.filter(pk=number).update(slug=None)
    log.warning("project_deleted", project=number, slug=slug)


def _delete_rows(number: int) -> None:
    """Delete what PostgreSQL has of the project, except for its events."""
    while _run(load("delete_batches"), number, limit=_BITE):
        pass
    tables = (RejectedEvent, PropertySchema, SavedSegment, AskedProperty, ApiKey, Membership)
    for table in tables:
        table._default_manager.filter(project=number).delete()
    # Their files are purged like those of all uploads without a row.
    _run(load("delete_imports"), number)
    _run(load("delete_saved_views"), number)


def _run(sql: str, number: int, **parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"project": number, **parameters})
        return int(cursor.rowcount)


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
