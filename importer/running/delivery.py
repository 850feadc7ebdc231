"""Keeps ClickHouse in step with an import, and waits for it at the end."""

import threading
import time
from datetime import datetime

from django.db.models import Count, Q

from analytics import clickhouse
from events.delivery.deliver import deliver_due
from events.models import Batch

# How many batches may be undelivered while a large file is read.
WAITING_AT_MOST = 10
POLL_SECONDS = 0.05
# How long to wait at the end while ClickHouse answers but confirms nothing. A failed delivery is
# tried again within 30 s.
PATIENCE_SECONDS = 60.0


def hold_back(*, project: int, since: datetime) -> None:
    """Wait while too many import batches of the project made since `since` wait for ClickHouse.

    This keeps the outbox small. If deliveries fail, it does not wait: imports go on while
    ClickHouse is down.
    """
    while True:
        waiting, failing = _undelivered(project, since)
        if waiting <= WAITING_AT_MOST or failing:
            return
        time.sleep(POLL_SECONDS)


def finish(*, project: int, since: datetime, stop: threading.Event) -> int:
    """Deliver the project's batches imported since `since`, or wait until others deliver them.

    Returns how many batches are left: none, unless ClickHouse cannot be reached or confirms
    nothing, or `stop` is set.
    """
    least, deadline = -1, 0.0
    while waiting := _undelivered(project, since)[0]:
        if waiting != least:
            least, deadline = waiting, time.monotonic() + PATIENCE_SECONDS
        if stop.is_set() or time.monotonic() > deadline or not _answers():
            break
        if not deliver_due().blocks:
            time.sleep(POLL_SECONDS)
    return waiting


def _undelivered(project: int, since: datetime) -> tuple[int, int]:
    """How many import batches are unconfirmed, and how many of these had a failed delivery."""
    batches = Batch.objects.filter(
        project=project,
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
