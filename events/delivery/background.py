"""One thread a process that delivers shortly after a commit; no caller waits for ClickHouse.

Whatever it misses (the process killed, ClickHouse gone) beat finds in the outbox later.
"""

import threading

from django.conf import settings

from config.background_work import BackgroundWork
from events.delivery.deliver import deliver_due


def deliver_soon(events: int = 0) -> None:
    """Ask this process's delivery thread to look at the outbox, which has so many events more.

    Returns at once. A block's worth of events is not waited for company.
    """
    global _waiting  # noqa: PLW0603 - one outbox seen from one process
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


# Batches that commit meanwhile share the block: ClickHouse likes few large inserts. After a
# failure the pause grows, or each look at a dead ClickHouse would use up a batch's chance to be
# merged.
_deliverer = BackgroundWork(
    "deliver", _deliver, linger=settings.DELIVERY_LINGER_MILLISECONDS / 1000, longest_pause=10.0
)
