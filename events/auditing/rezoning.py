"""Changes the time zone of a project: its reports have days of the zone, and so have its rollups.

From the first step to the last, reports read events, and are as exact as before or after. What
happens if a step breaks off: the project has the new zone and no rollups that anybody reads, until
the same command, or `rebuild_rollups`, makes them.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import date

import psycopg
from django import db
from django.core.exceptions import ValidationError
from django.db.models import F
from structlog import get_logger

from analytics import clickhouse, zones
from analytics.clickhouse import ClickHouseError
from analytics.maintenance import daily_counts
from analytics.maintenance import rezone as rollups
from config.building_blocks.background_work import BackgroundWork
from events.delivery import parking, redelivery
from events.delivery.pause import paused, wait_for_deliveries
from events.models import Batch
from events.postgres.repair_lock import RepairRunning, alone
from projects.keyring import KEPT_SECONDS
from projects.models import Project

log = get_logger(__name__)


def check_zone(name: str) -> str:
    """The name of a zone that a project can have. Raises ValidationError and ClickHouseError."""
    try:
        return zones.checked(name)
    except ValueError as error:
        raise ValidationError(f"{name!r} {error}") from None


def set_time_zone(
    project: Project, zone: str, *, by: str, done: Callable[[str], None] = lambda table: None
) -> None:
    """Have the project's reports in days of the zone. `by` is the user's name, for the log.

    Returns when its rollups hold days of the zone; `done` is called with the name of each that is
    filled. Ingest and reports go on. Raises ValidationError for a wrong name, RepairRunning while
    another repair, rebuild or change runs, django.db.Error, psycopg.Error and ClickHouseError.
    """
    check_zone(zone)
    rows = Project.objects.filter(pk=project.pk, deleted_at=None)
    with alone() as still_alone:
        if rows.filter(rollup_zone=zone).exists():
            rows.update(time_zone=zone)
            return
        # Both at once, so that no report can have the new zone and think that its days are there.
        rows.update(time_zone=zone, rollup_zone=None)
        log.info("time_zone_set", project=project.pk, zone=zone, by=by)
        rezone(project.pk, still_alone=still_alone, done=done)


def begin(project: Project, zone: str, *, by: str) -> None:
    """Have the project's reports in days of the zone from now on, read from events.

    `finish` makes its rollups. The name of the zone was checked. Raises django.db.Error.
    """
    Project.objects.filter(pk=project.pk, deleted_at=None).update(time_zone=zone)
    log.info("time_zone_set", project=project.pk, zone=zone, by=by)


def finish() -> bool:
    """Make the rollups of each project that has none of its zone. Returns whether all have them.

    A project that fails keeps no other from it. Raises django.db.Error.
    """
    done = True
    others = Project.objects.filter(deleted_at=None).exclude(rollup_zone=F("time_zone"))
    unlike = others | Project.objects.filter(deleted_at=None, rollup_zone=None)
    for project in list(unlike.values_list("pk", flat=True)):
        try:
            with alone() as still_alone:
                Project.objects.filter(pk=project).update(rollup_zone=None)
                rezone(project, still_alone=still_alone, done=lambda table: None)
        except RepairRunning:
            done = False
        except (ClickHouseError, db.Error, psycopg.Error):
            log.exception("time_zone_unfinished", project=project)
            done = False
    return done


def finish_soon() -> None:
    """Have a thread of this process make them. Returns at once."""
    _finisher.soon()


_finisher = BackgroundWork("time zones", finish, linger=0.0, longest_pause=60.0, patient=True)


def rezone(project: int, *, still_alone: Callable[[], None], done: Callable[[str], None]) -> None:
    """Make the rollups for the project's time zone, and let reports read them.

    For a caller that has the lock of repairs. Raises the same errors.
    """
    zone = Project.objects.values_list("time_zone", flat=True).get(pk=project)
    versions = zones.versions()
    _wait_for_reports()

    def settled() -> None:
        wait_for_deliveries()
        still_alone()

    for table in rollups.OF_USERS:
        rollups.prepare(table, project=project, zone=zone, settled=settled)
        done(table)
    with paused() as still_paused:
        still_alone()
        rollups.take_over(project=project, zone=zone, waiting=lambda: _waiting(project, zone))
        # Or an insert has begun meanwhile, and the next run makes all of it anew.
        still_paused()
        still_alone()
    done(rollups.COUNTS)
    Project.objects.filter(pk=project).update(rollup_zone=zone, rollup_tzdata=versions)
    log.info("rollups_rezoned", project=project, zone=zone)


def _wait_for_reports() -> None:
    """Wait until no process takes the rollups for those of the old zone, and no report reads them.

    A process believes what it has read of the project for KEPT_SECONDS.
    """
    time.sleep(KEPT_SECONDS + clickhouse.longest_query_seconds())


def _waiting(project: int, zone: str) -> Counter[daily_counts.Key]:
    """Events that ClickHouse has, of batches that will be sent again.

    ClickHouse drops what it has of a batch that it gets again, but not in rollups that have not had
    it. So such events must not be counted before.
    """
    found: Counter[daily_counts.Key] = Counter()
    tried = Batch.objects.filter(project=project, state=Batch.State.PENDING, attempts__gt=0)
    for payload in tried.values_list("payload", flat=True):
        records = redelivery.storable(parking.read(bytes(payload or b"")))
        days = [date.fromisoformat(record.occurred_at[:10]) for record in records]
        if days:
            ids = [record.event_id for record in records]
            found.update(
                daily_counts.counted(
                    project=project, zone=zone, ids=ids, start=min(days), end=max(days)
                )
            )
    return found
