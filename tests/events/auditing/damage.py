"""Stores set at odds with each other, and what verify_stores says of them."""

import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analytics.maintenance import daily_counts
from events.auditing import repair
from events.format.records import frame
from events.models import Batch, Dedup
from events.storing.store import store
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.faults import audit
from tests.samples import event, framed
from tests.stored import deliver_all

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
RECENT = f"{YESTERDAY}T12:00:00.250Z"
OLD = "2025-01-05T12:00:00.250Z"


def put(count: int = 1, **changes: Any) -> list[str]:
    """Stored, not delivered; the ids."""
    sent = [event(**{"occurred_at": RECENT, **changes}) for _ in range(count)]
    store(project=DEFAULT, frames=[framed(sent)], source=Batch.Source.QUEUE)
    return [one["event_id"] for one in sent]


def delivered(count: int = 1, **changes: Any) -> list[str]:
    ids = put(count, **changes)
    deliver_all()
    return ids


def agreeing(*arguments: str) -> str:
    """What the command says where the stores agree in the end."""
    out = StringIO()
    try:
        call_command("verify_stores", *arguments, stdout=out)
    except CommandError as error:
        pytest.fail(f"{error}: {out.getvalue()}")
    assert out.getvalue().endswith("the stores agree\n")
    return out.getvalue()


def differing(differences: int, *arguments: str) -> str:
    """What it says where they don't."""
    out = StringIO()
    with pytest.raises(CommandError, match=f"^{differences} differences$"):
        call_command("verify_stores", *arguments, stdout=out)
    assert "the stores agree" not in out.getvalue()
    return out.getvalue()


def execute(sql: str, ids: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE event_id = ANY(%s::uuid[])", [ids])
        assert cursor.rowcount == len(ids)


def drop_cold(ids: list[str]) -> None:
    engine.command(
        "ALTER TABLE events DELETE WHERE event_id IN {ids:Array(UUID)} SETTINGS mutations_sync = 2",
        parameters={"ids": ids},
    )


def lose_block(ids: list[str]) -> None:
    """As if it had never reached the views either."""
    drop_cold(ids)
    daily_counts.subtract({(YESTERDAY, "page_view"): len(ids)}, project=DEFAULT)


def drop_hot(ids: list[str]) -> None:
    execute("DELETE FROM hot_events", ids)


def drop_known(ids: list[str]) -> None:
    execute("DELETE FROM dedup", ids)


def double_hot(ids: list[str]) -> None:
    execute("INSERT INTO hot_events SELECT * FROM hot_events", ids)


def double_cold(ids: list[str]) -> None:
    """Through the views under another token, as a delivery without tokens would."""
    engine.insert_block(token=str(uuid.uuid4()), body=frame(repair._hot_records(DEFAULT, ids)))


def content() -> tuple[list[Any], list[Any], set[Any]]:
    """All there is in ClickHouse, the hot layer and dedup."""
    rows = engine.query(
        "SELECT toString(event_id) AS id, concat(toString(occurred_at), '+00'), user_id,"
        " event_type, properties_text FROM events ORDER BY id"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id::text, occurred_at::text, user_id, event_type, properties::text"
            " FROM hot_events ORDER BY event_id"
        )
        kept = cursor.fetchall()
    return rows, kept, set(Dedup.objects.values_list("event_id", flat=True))


def assert_rollups_hold_the_events() -> None:
    assert engine.query(audit.differing(audit.ROLLUPS)) == []
