"""Rebuild the rollups of ClickHouse from its events, while new events arrive."""

import time
from collections.abc import Callable
from datetime import date

from django.db.models.functions import Now

from analytics.maintenance import daily_counts, inventory, rebuild
from events.models import Batch
from events.postgres.repair_lock import alone

_PAUSE_SECONDS = 0.1


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
    before the error stay rebuilt.
    """
    first, last = start or inventory.FIRST_DAY, end or inventory.LAST_DAY
    with alone() as still_alone:

        def settled() -> None:
            _wait_for_deliveries()
            still_alone()

        unlike = daily_counts.unlike(project=project, start=first, end=last)
        daily_counts.subtract(unlike, project=project)
        done("daily_events")
        for table in (*rebuild.BY_DAY, *rebuild.BY_USER):
            rebuild.rebuild(table, project=project, start=first, end=last, settled=settled)
            done(table)


def _wait_for_deliveries() -> None:
    """Wait until every insert that is under way has ended, or its sender has lost the lease."""
    under_way = _claims()
    while under_way := under_way & _claims():
        time.sleep(_PAUSE_SECONDS)


def _claims() -> set[tuple[object, int]]:
    claimed = Batch.objects.filter(state=Batch.State.PENDING, claimed_until__gt=Now())
    return set(claimed.values_list("id", "attempts"))
