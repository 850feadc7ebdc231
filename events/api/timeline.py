"""Timeline: all events of one person, newest first, out of both stores."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from analytics.people import timeline as cold
from config.memory import room
from events.api.query_parameters import Cursor, SearchFilters, TimelinePage, encode_place
from events.api.search import PAGE_BYTES, hot_page, page_bytes, shown
from events.format.instants import parse_instant


class _Part(NamedTuple):
    """What one store has of a page, newest first, and whether it has older events."""

    events: list[dict[str, Any]]
    more: bool


def timeline(*, project: int, user_id: str, page: TimelinePage) -> dict[str, Any] | None:
    """A page of a person's events: `{"events": [...], "next": cursor or None}`, for msgspec.

    None if there is no such person. A page ends early, with a cursor, if its properties would
    exceed PAGE_BYTES. Raises room.NoRoom, ClickHouseError, and errors of PostgreSQL.
    """
    # A page of each store, and later of both together.
    room.need_for_answer(3 * page_bytes(page.limit))
    # An event comes to PostgreSQL first, and goes from there days after ClickHouse has it. So an
    # event that PostgreSQL no longer has when it is asked is in ClickHouse when that is asked.
    parts = [_hot(project, user_id, page), _cold(project, user_id, page)]
    found = _newest_first({event["event_id"]: event for part in parts for event in part.events})
    if not found and page.cursor is None:
        return None
    some = _fitting(_certain(found, parts)[: page.limit])
    is_last = len(some) == len(found) and not any(part.more for part in parts)
    return {"events": some, "next": None if is_last else encode_place(_cursor(some[-1]))}


def _hot(project: int, user_id: str, page: TimelinePage) -> _Part:
    filters = SearchFilters(user_id, None, None, None, page.cursor, page.limit)
    rows, more = hot_page(project, filters)
    return _Part([shown(row) for row in rows], more)


def _cold(project: int, user_id: str, page: TimelinePage) -> _Part:
    found = cold.events_before(
        user_id,
        project=project,
        at=page.cursor and page.cursor.occurred_at,
        event_id=str(page.cursor.event_id) if page.cursor else "",
        limit=page.limit,
        most_bytes=PAGE_BYTES,
    )
    events = [
        {
            "event_id": event.event_id,
            "occurred_at": event.occurred_at,
            "user_id": user_id,
            "event_type": event.event_type,
            "properties": msgspec.Raw(event.properties.encode()),
        }
        for event in found.events
    ]
    return _Part(events, found.more)


def _newest_first(events: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events.values(), key=_place, reverse=True)


def _place(event: dict[str, Any]) -> tuple[str, str]:
    """Both texts sort as what they stand for, and as both stores sort."""
    return event["occurred_at"], event["event_id"]


def _certain(events: list[dict[str, Any]], parts: Sequence[_Part]) -> list[dict[str, Any]]:
    """Those down to where a store has more: behind its last event, it could have had others."""
    known = max((_place(part.events[-1]) for part in parts if part.more), default=("", ""))
    return [event for event in events if _place(event) >= known]


def _fitting(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as have PAGE_BYTES of properties, and at least one."""
    so_far = accumulate(len(bytes(event["properties"])) for event in events)
    return [
        event
        for number, (event, size) in enumerate(zip(events, so_far, strict=True))
        if size <= PAGE_BYTES or number == 0
    ]


def _cursor(event: dict[str, Any]) -> Cursor:
    return Cursor(parse_instant(event["occurred_at"]), UUID(event["event_id"]))
