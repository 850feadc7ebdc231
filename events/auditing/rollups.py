"""Rebuild the rollups of ClickHouse from its events, while events go on arriving."""

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
    start: date | None = None,
    end: date | None = None,
    done: Callable[[str], None] = lambda table: None,
) -> None:
    """Every rollup says what the events say, of days from `start` to `end`, included, or all.

    Calls `done` with the name of each when it is. Raises RepairRunning when stores are being
    repaired already, ClickHouseError, django.db.Error and psycopg.Error; what was rebuilt until
    then stays.
    """
    first, last = start or inventory.FIRST_DAY, end or inventory.LAST_DAY
    with alone() as still_alone:

        def settled() -> None:
            _wait_for_deliveries()
            still_alone()

        daily_counts.subtract(daily_counts.unlike(start=first, end=last))
        done("daily_events")
        for table in (*rebuild.BY_DAY, *rebuild.BY_USER):
            rebuild.rebuild(table, start=first, end=last, settled=settled)
            done(table)


def _wait_for_deliveries() -> None:
    """Until every insert that is under way has ended, or whoever sent it lost its lease."""
    under_way = _claims()
    while under_way := under_way & _claims():
        time.sleep(_PAUSE_SECONDS)


def _claims() -> set[tuple[object, int]]:
    claimed = Batch.objects.filter(state=Batch.State.PENDING, claimed_until__gt=Now())
    return set(claimed.values_list("id", "attempts"))
