"""One person: what they did, how often and when."""

from typing import NamedTuple

from analytics.asking import ask
from analytics.queries import load

# So many event types of a person are told.
MAX_TYPES = 1_000


class TypeCount(NamedTuple):
    """How many events of a type a person has."""

    event_type: str
    events: int


class Summary(NamedTuple):
    """All events of a person: the first and the last moment, how many, and how many of each type.

    Moments are as `2026-01-01T00:00:00.123Z`. The most frequent type comes first, equal ones by
    name. There are at most MAX_TYPES of them.
    """

    user_id: str
    first_seen: str
    last_seen: str
    events: int
    event_types: list[TypeCount]


def summary(user_id: str, *, project: int) -> Summary | None:
    """What ClickHouse has of the person; None if it has no event. Raises ClickHouseError."""
    given = {"user": user_id, "limit": MAX_TYPES}
    rows = ask("person", load("person"), project=project, parameters=given)
    if not rows:
        return None
    _, _, events, first, last = rows[0]
    types = [TypeCount(event_type, int(count)) for event_type, count, *_ in rows]
    return Summary(user_id, first, last, int(events), types)
