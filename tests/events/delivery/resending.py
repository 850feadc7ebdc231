"""Blocks that are sent again, and what became of their events."""

from typing import Any

from analytics import clickhouse as engine
from analytics import inserting
from events.delivery import deliver
from events.models import Batch
from projects.models import DEFAULT
from tests.events.auditing.damage import assert_rollups_hold_the_events, put


def sent_without_an_answer(count: int, **changes: Any) -> list[str]:
    """Events of a batch that ClickHouse has, and nobody was told; the ids."""
    ids = put(count, **changes)
    claim = deliver._claim()
    assert claim is not None
    inserting.insert_block(token=str(claim.batch_id), body=claim.payload, project=DEFAULT)
    due_again()
    return ids


def due_again() -> None:
    Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=None)


def assert_each_there_once(ids: list[str]) -> None:
    found = engine.query(
        "SELECT toString(event_id), count() FROM events GROUP BY 1", project=DEFAULT
    )
    assert {str(event_id): count for event_id, count in found} == dict.fromkeys(ids, 1)
    assert_rollups_hold_the_events()
    assert not Batch.objects.filter(state=Batch.State.PENDING).exists()
