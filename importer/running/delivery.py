"""Keeps ClickHouse in step with an import, and waits for it at the end."""

import threading
import time
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q
from django.db.models.functions import Now

from analytics import clickhouse
from events.delivery.deliver import deliver_due
from events.models import Batch

# How many batches may be undelivered while a large file is read.
WAITING_AT_MOST = 10
POLL_SECONDS = 0.05
# At the end, nothing is read or stored any more.
END_POLL_SECONDS = 0.02
# How long to wait at the end while ClickHouse answers but confirms nothing. A failed delivery is
# tried again within 30 s.
PATIENCE_SECONDS = 60.0


def hold_back(*, project: int, since: datetime) -> None:
    """Wait while too many import batches of the project made since `since` wait for ClickHouse.

    This keeps the outbox small. If deliveries fail, it does not wait: imports go on while
    ClickHouse is down.
    """
    while True:
        undelivered = _undelivered(project, since)
        if undelivered.waiting <= WAITING_AT_MOST or undelivered.failing:
            return
        time.sleep(POLL_SECONDS)


def finish(*, project: int, since: datetime, stop: threading.Event) -> int:
    """Deliver the project's batches imported since `since`, or wait until others deliver them.

    Returns how many batches are left: none, unless ClickHouse cannot be reached or confirms
    nothing, or `stop` is set.
    """
    least, deadline = -1, 0.0
    while (undelivered := _undelivered(project, since)).waiting:
        if undelivered.waiting != least:
            least, deadline = undelivered.waiting, time.monotonic() + PATIENCE_SECONDS
        if stop.is_set() or time.monotonic() > deadline or not _answers():
            break
        if not (undelivered.due and deliver_due().blocks):
            time.sleep(END_POLL_SECONDS)
    return undelivered.waiting


class _Undelivered(NamedTuple):
    """How many import batches are unconfirmed; how many of these had a failed delivery, and how
    many have no lease: these may be due, or merged into another batch.
    """

    waiting: int
    failing: int
    due: int


def _undelivered(project: int, since: datetime) -> _Undelivered:
    batches = Batch.objects.filter(
        project=project,
        source=Batch.Source.IMPORT,
        state__in=[Batch.State.PENDING, Batch.State.MERGED],
        created_at__gte=since,
    )
    is_free = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    counts = batches.aggregate(
        waiting=Count("id"),
        failing=Count("id", filter=~Q(error="")),
        due=Count("id", filter=is_free),
    )
    return _Undelivered(**counts)


def _answers() -> bool:
    try:
        clickhouse.ping()
    except clickhouse.ClickHouseError:
        return False
    return True
