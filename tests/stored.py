"""How many events each store has."""

from analytics import clickhouse as engine
from events.models import Dedup, HotEvent
from tests.waiting import deliver_all


def cold() -> int:
    """Rows in ClickHouse, as they are now."""
    [[count]] = engine.query("SELECT count() FROM events")
    return int(count)


def counts() -> tuple[int, int, int]:
    """Rows in dedup, in the hot layer and in ClickHouse, as they are now."""
    return Dedup.objects.count(), HotEvent.objects.count(), cold()


def delivered_counts() -> tuple[int, int, int]:
    """The same after everything is delivered."""
    deliver_all()
    return counts()
