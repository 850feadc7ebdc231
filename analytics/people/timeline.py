"""What one person did, newest first, as far as ClickHouse has it."""

from datetime import UTC, datetime
from typing import NamedTuple

from analytics.asking import ask
from analytics.queries import load

# Every event is between these.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)


class Event(NamedTuple):
    """An event without its user. `occurred_at` is as `2026-01-01T00:00:00.123Z`.

    `properties` is the JSON text that was sent.
    """

    event_id: str
    occurred_at: str
    event_type: str
    properties: str


class Page(NamedTuple):
    """Some events of a person, newest first, and whether there are older ones.

    If ClickHouse has copies of an event, they stand side by side, and `more` may be said too often.
    """

    events: list[Event]
    more: bool


def events_before(
    user_id: str,
    *,
    project: int,
    at: datetime | None,
    event_id: str,
    limit: int,
    most_bytes: int,
) -> Page:
    """The newest `limit` events before this place in the order of time and id as text.

    Without a moment they are the newest ones of all. They are fewer if their properties would
    together have more than `most_bytes`. Raises ClickHouseError.
    """
    place = min(max(at or _LAST, _FIRST), _LAST)
    given = {
        "user": user_id,
        "at": f"{place.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3],
        "id": event_id,
        "limit": limit + 1,
        "bytes": most_bytes,
    }
    rows = ask("timeline", load("timeline"), project=project, parameters=given)
    events = [Event(*texts) for *texts, _ in rows[:limit]]
    return Page(events, bool(rows) and int(rows[0][4]) > len(events))
