"""Events as clients send them, valid unless a test spoils them."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from events.format.records import Record, frame
from events.ingest.validation import validate


def event(**changes: Any) -> dict[str, Any]:
    """A valid event of an hour ago; a field given as `...` is left out."""
    made: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "occurred_at": moment(hours=1),
        "user_id": "u1",
        "event_type": "page_view",
        "properties": {"country": "UA"},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not ...}


def moment(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat(timespec="milliseconds")


def records(events: Iterable[dict[str, Any]]) -> list[Record]:
    checked = validate(json.dumps(list(events)).encode())
    assert not checked.errors
    return checked.records


def framed(events: Iterable[dict[str, Any]]) -> bytes:
    return frame(records(events))
