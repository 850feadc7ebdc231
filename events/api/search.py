"""Search: the events of the hot layer, newest first, page by page."""

from typing import Any

import msgspec
from django.db.models import Q, QuerySet

from config.memory import room
from events.api.query_parameters import Cursor, SearchFilters, encode_cursor
from events.format.properties import MAX_BYTES
from events.format.records import timestamp
from events.models import HotEvent
from events.sql import load

# Bytes of properties on one page. A thousand events of 64 KiB would take 310 MB of memory.
PAGE_BYTES = 1024 * 1024
# Memory of a page: _TIMES the bytes of its properties (as they arrive, as text, in the answer), and
# _ROW_BYTES for the objects of each row.
_TIMES = 4
_ROW_BYTES = 2_000


def search(*, project: int, filters: SearchFilters) -> dict[str, Any]:
    """A page of a project's events: `{"events": [...], "next": cursor or None}`, for msgspec.

    The cost of a page depends on its size, and not on how many pages precede it: the cursor is a
    position in the index, not a count. A page ends early, with a cursor, if its properties would
    exceed PAGE_BYTES. Raises room.NoRoom.
    """
    room.need_for_answer(page_bytes(filters.limit))
    page, more = hot_page(project, filters)
    last = page[-1] if more else None
    return {
        "events": [shown(event) for event in page],
        "next": encode_cursor(Cursor(last.occurred_at, last.event_id)) if last else None,
    }


def hot_page(project: int, filters: SearchFilters) -> tuple[list[Any], bool]:
    """The events of a page, and whether there are more."""
    rows = _rows(project, filters)
    page = rows[: filters.limit]
    return page, bool(page) and page[0].found > len(page)


def _rows(project: int, filters: SearchFilters) -> list[Any]:
    """One row more than the page has, or fewer rows if their properties exceed PAGE_BYTES.

    Each row has `found`, the number of rows without the limit of PAGE_BYTES.
    """
    sql, parameters = _matching(project, filters)[: filters.limit + 1].query.sql_with_params()
    bounded = load("page_of_hot_events").replace("/*matching*/", sql)
    return list(HotEvent.objects.raw(bounded, [*parameters, PAGE_BYTES]))


def _matching(project: int, filters: SearchFilters) -> QuerySet[HotEvent]:
    exact = {"user_id": filters.user_id, "event_type": filters.event_type}
    events = HotEvent.objects.filter(project_id=project)
    events = events.filter(**{k: v for k, v in exact.items() if v is not None})
    if filters.start:
        events = events.filter(occurred_at__gte=filters.start)
    if filters.end:
        events = events.filter(occurred_at__lte=filters.end)
    if filters.cursor:
        at, event_id = filters.cursor
        events = events.filter(occurred_at__lte=at)
        events = events.filter(Q(occurred_at__lt=at) | Q(event_id__lt=event_id))
    return events


def page_bytes(limit: int) -> int:
    """The memory that a page of so many events may take."""
    return _TIMES * min(limit * MAX_BYTES, PAGE_BYTES) + _ROW_BYTES * limit


def shown(event: HotEvent) -> dict[str, Any]:
    return {
        "event_id": str(event.event_id),
        "occurred_at": timestamp(event.occurred_at),
        "user_id": event.user_id,
        "event_type": event.event_type,
        "properties": msgspec.Raw(event.properties.encode()),
    }
