"""One thread a process that delivers shortly after a commit; no caller waits for ClickHouse.

Whatever it misses (the process killed, ClickHouse gone) beat finds in the outbox later.
"""

from django.conf import settings

from events.deliver import deliver_due
from events.on_demand import OnDemand


def deliver_soon() -> None:
    """Ask this process's delivery thread to look at the outbox; returns at once."""
    _deliverer.soon()


def _deliver() -> bool:
    return not deliver_due().failed


# Batches that commit meanwhile share the block: ClickHouse likes few large inserts. After a
# failure the pause grows, or each look at a dead ClickHouse would use up a batch's chance to be
# merged.
_deliverer = OnDemand(
    "deliver", _deliver, linger=settings.DELIVERY_LINGER_MILLISECONDS / 1000, longest_pause=10.0
)
