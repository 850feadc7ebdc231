"""Rebuild the rollups of ClickHouse from its events, while new events arrive."""

from collections.abc import Callable, Sequence
from datetime import date

from analytics.maintenance import daily_counts, inventory, rebuild
from analytics.maintenance.rezone import is_in_zone
from events.auditing.rezoning import rezone
from events.delivery.pause import wait_for_deliveries
from events.postgres.repair_lock import alone
from projects.models import Project
from projects.zones import rollup_zone


def rebuild_rollups(
    *,
    project: int,
    start: date | None = None,
    end: date | None = None,
    done: Callable[[str], None] = lambda table: None,
) -> None:
    """Make every rollup of a project match its events, for all days or from `start` to `end`.

    Both days are included.

    Calls `done` with the name of each rollup when it is ready. Raises RepairRunning if another
    repair is running, ClickHouseError, django.db.Error and psycopg.Error. Rollups that were rebuilt
    before the error stay rebuilt. If a change of the project's time zone broke off, or a backup was
    of the time of a change, all rollups are made anew for that zone, whatever the days.
    """
    first, last = start or inventory.FIRST_DAY, end or inventory.LAST_DAY
    with alone() as still_alone:
        rebuild_alone(project, first, last, still_alone=still_alone, done=done)


def rebuild_alone(
    project: int,
    first: date,
    last: date,
    *,
    still_alone: Callable[[], None],
    done: Callable[[str], None] = lambda table: None,
) -> None:
    """The same for a caller that has the lock of repairs."""

    def settled() -> None:
        wait_for_deliveries()
        still_alone()

    def make_anew(tables: Sequence[str]) -> None:
        for table in tables:
            rebuild.rebuild(table, project=project, start=first, end=last, settled=settled)
            done(table)

    zone = rollup_zone(project)
    if zone is None or not is_in_zone(project=project, zone=zone):
        Project.objects.filter(pk=project).update(rollup_zone=None)
        rezone(project, still_alone=still_alone, done=done)
        make_anew(rebuild.IN_ANY_ZONE)
        return
    unlike = daily_counts.unlike(project=project, zone=zone, start=first, end=last)
    daily_counts.subtract(unlike, project=project)
    done("daily_events")
    make_anew(rebuild.ALL)
