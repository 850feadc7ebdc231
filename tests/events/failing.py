"""Batches that an engine refuses, and what became of them."""

from events.format.records import frame
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.samples import event, records


def put(good: int, *, bad: int = 0) -> None:
    """A batch of both, the bad ones in its middle: what the door would never let in."""
    events = records([event() for _ in range(good + bad)])
    for record in events[good // 2 : good // 2 + bad]:
        record.occurred_at = "no time"
    spoilt = frame(events)
    for record in events:
        record.occurred_at = record.occurred_at.replace("no time", "2026-01-01T00:00:00.000Z")
    store(project=DEFAULT, frames=[frame(events)], source=Batch.Source.QUEUE)
    Batch.objects.filter(state=Batch.State.PENDING).update(payload=spoilt)


def cold() -> int:
    [[count]] = engine.query("SELECT uniqExact(event_id) FROM events")
    [[rolled]] = engine.query("SELECT sum(events) FROM daily_events")
    [[rows]] = engine.query("SELECT count() FROM events")
    assert count == rolled == rows
    return int(count)


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Batch.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found
