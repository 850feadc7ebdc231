"""Events in the stores: delivered, and counted."""

from analytics import clickhouse as engine
from events.delivery.deliver import deliver_due
from events.models import Batch, Dedup, HotEvent
from projects.models import DEFAULT
from tests.waiting import wait_until


def deliver_all() -> None:
    """Everything in the outbox is in ClickHouse, whoever brought it there."""
    outbox = Batch.objects.filter(state=Batch.State.PENDING)

    def empty() -> bool:
        if not outbox.exists():
            return True
        deliver_due()
        return not outbox.exists()

    wait_until(empty)


def cold() -> int:
    """Rows in ClickHouse, as they are now."""
    [[count]] = engine.query("SELECT count() FROM events", project=DEFAULT)
    return int(count)


def counts() -> tuple[int, int, int]:
    """Rows in dedup, in the hot layer and in ClickHouse, as they are now."""
    return Dedup.objects.count(), HotEvent.objects.count(), cold()


def delivered_counts() -> tuple[int, int, int]:
    """The same after everything is delivered."""
    deliver_all()
    return counts()
