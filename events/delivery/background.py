"""One thread in each process delivers shortly after a commit, so no caller waits for ClickHouse.

The thread may miss batches, if its process is killed or ClickHouse is down. A task that Celery beat
starts finds them in the outbox later.
"""

import threading
from collections import Counter

from django.conf import settings

from config.building_blocks.background_work import BackgroundWork
from events.delivery.deliver import deliver_due
from projects.models import DEFAULT

# Projects that share the linger time of one. A block of a project costs ClickHouse 40 to 90 ms of
# CPU, however few its events are. So if more projects send events, each waits longer.
_PROJECTS_A_LINGER = 10


def deliver_soon(project: int = DEFAULT, events: int = 0) -> None:
    """Ask this process's delivery thread to look at the outbox: a project has `events` more events.

    Returns at once. The thread waits a moment for further events, unless those of the project that
    wait already fill a block.
    """
    with _counting:
        _waiting[project] += events
        is_full = _waiting[project] >= settings.CLICKHOUSE_BATCH_SIZE
    _deliverer.soon(now=is_full)


def _deliver() -> bool:
    with _counting:
        _waiting.clear()
    delivered = deliver_due()
    _deliverer.linger = _LINGER_SECONDS * max(1, delivered.projects / _PROJECTS_A_LINGER)
    return not delivered.failed


_counting = threading.Lock()
_waiting: Counter[int] = Counter()


# Batches that commit during the linger time share a block, because ClickHouse works best with few
# large inserts. After a failure the pause grows: while ClickHouse is down, each attempt tries a
# batch, and a batch that was tried can no longer be merged.
_LINGER_SECONDS = settings.DELIVERY_LINGER_MILLISECONDS / 1000
_deliverer = BackgroundWork("deliver", _deliver, linger=_LINGER_SECONDS, longest_pause=10.0)
