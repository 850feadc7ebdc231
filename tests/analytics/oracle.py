"""The reports by brute force in plain Python, to compare ClickHouse's answers with.

They look at the events they are given: a segment is what chooses these.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]
Matches = Callable[[Event], bool]


def day(event: Event, zone: str) -> date:
    return datetime.fromisoformat(event["occurred_at"]).astimezone(ZoneInfo(zone)).date()


def monday(of: date) -> date:
    return of - timedelta(days=of.weekday())


def field_is(name: str, text: str) -> Matches:
    return lambda event: bool(event[name] == text)


def property_is(text: str, *path: str) -> Matches:
    """Compares as text, and numbers as numbers; objects, arrays and nulls are equal to nothing."""

    def matches(event: Event) -> bool:
        value: Any = event["properties"]
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, bool):
            return text == json.dumps(value)
        if isinstance(value, int | float):
            return bool(value == _number(text))
        return bool(value == text)

    return matches


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def daily_active_users(
    events: Sequence[Event], start: date, end: date, zone: str
) -> list[tuple[date, int]]:
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    return [(one, len({e["user_id"] for e in events if day(e, zone) == one})) for one in days]


def top_events(
    events: Sequence[Event], start: date, end: date, limit: int, zone: str
) -> list[tuple[str, int]]:
    found = Counter(e["event_type"] for e in events if start <= day(e, zone) <= end)
    return sorted(found.items(), key=lambda item: (-item[1], item[0].encode()))[:limit]


def retention(
    events: Sequence[Event], start: date, windows: int, today: date, zone: str
) -> list[tuple[date, int, list[float | None]]]:
    weeks: dict[str, set[date]] = {}
    for event in events:
        weeks.setdefault(event["user_id"], set()).add(monday(day(event, zone)))
    cohorts: dict[date, list[set[date]]] = {}
    for came in weeks.values():
        if start <= min(came) <= monday(today):
            cohorts.setdefault(min(came), []).append(came)
    return [
        (first, len(users), [_share(first, k, users, today) for k in range(1, windows + 1)])
        for first, users in sorted(cohorts.items())
    ]


def _share(first: date, k: int, users: list[set[date]], today: date) -> float | None:
    week = first + timedelta(weeks=k)
    if week > today:
        return None
    tenths = 1000 * sum(week in came for came in users) / len(users)
    return int(tenths + 0.5) / 10
