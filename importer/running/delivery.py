"""Keeps ClickHouse in step with an import, and waits for it at the end."""

import threading
import time
from datetime import datetime

from django.db.models import Count, Q

from analytics import clickhouse
from events.delivery.deliver import deliver_due
from events.models import Batch

# Batches that may be undelivered while a large file is read.
WAITING_AT_MOST = 10
POLL_SECONDS = 0.05
# At the end: how long ClickHouse may answer and yet confirm nothing. A delivery that failed once
# is tried again within 30 s.
PATIENCE_SECONDS = 60.0


def hold_back(*, since: datetime) -> None:
    """Wait while ClickHouse lags behind the imports begun at `since`: the outbox stays small.

    Where deliveries fail nobody waits: ClickHouse being down stops no import.
    """
    while True:
        waiting, failing = _undelivered(since)
        if waiting <= WAITING_AT_MOST or failing:
            return
        time.sleep(POLL_SECONDS)


def finish(*, since: datetime, stop: threading.Event) -> int:
    """Deliver, or wait for others to, what was imported since then; gives the batches left over.

    That is none, unless ClickHouse cannot be reached or confirms nothing, or `stop` is set.
    """
    least, deadline = -1, 0.0
    while waiting := _undelivered(since)[0]:
        if waiting != least:
            least, deadline = waiting, time.monotonic() + PATIENCE_SECONDS
        if stop.is_set() or time.monotonic() > deadline or not _answers():
            break
        if not deliver_due().blocks:
            time.sleep(POLL_SECONDS)
    return waiting


def _undelivered(since: datetime) -> tuple[int, int]:
    """Batches of imports that are not confirmed, and those of them whose delivery has failed."""
    batches = Batch.objects.filter(
        source=Batch.Source.IMPORT,
        state__in=[Batch.State.PENDING, Batch.State.MERGED],
        created_at__gte=since,
    )
    counts = batches.aggregate(waiting=Count("id"), failing=Count("id", filter=~Q(error="")))
    return counts["waiting"], counts["failing"]


def _answers() -> bool:
    try:
        clickhouse.ping()
    except clickhouse.ClickHouseError:
        return False
    return True
