"""One thread in each process delivers shortly after a commit, so no caller waits for ClickHouse.

The thread may miss batches, if its process is killed or ClickHouse is down. A task that Celery beat
starts finds them in the outbox later.
"""

import threading

from django.conf import settings

from config.building_blocks.background_work import BackgroundWork
from events.delivery.deliver import deliver_due


def deliver_soon(events: int = 0) -> None:
    """Ask this process's delivery thread to look at the outbox, which has `events` more events.

    Returns at once. The thread waits a moment for further events, unless those that wait already
    fill a block.
    """
    global _waiting  # noqa: PLW0603 - each process has one count
    with _counting:
        _waiting += events
        is_full = _waiting >= settings.CLICKHOUSE_BATCH_SIZE
    _deliverer.soon(now=is_full)


def _deliver() -> bool:
    global _waiting  # noqa: PLW0603
    with _counting:
        _waiting = 0
    return not deliver_due().failed


_counting = threading.Lock()
_waiting = 0


# Batches that commit during the linger time share a block, because ClickHouse works best with few
# large inserts. After a failure the pause grows: while ClickHouse is down, each attempt tries a
# batch, and a batch that was tried can no longer be merged.
_deliverer = BackgroundWork(
    "deliver", _deliver, linger=settings.DELIVERY_LINGER_MILLISECONDS / 1000, longest_pause=10.0
)
