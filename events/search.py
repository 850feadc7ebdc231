"""Search: the events of the hot layer, newest first, page by page."""

import json
from typing import Any

from django.db.models import Q, QuerySet

from events.models import HotEvent
from events.query_parameters import Cursor, SearchFilters, encode_cursor
from events.records import timestamp


def search(*, filters: SearchFilters) -> dict[str, Any]:
    """One page: `{"events": [...], "next": cursor or None}`.

    A page costs by its size, however deep: the cursor is a position in the index, not a count.
    """
    rows = list(_matching(filters)[: filters.limit + 1])
    page, more = rows[: filters.limit], len(rows) > filters.limit
    last = page[-1] if more else None
    return {
        "events": [_shown(event) for event in page],
        "next": encode_cursor(Cursor(last.occurred_at, last.event_id)) if last else None,
    }


def _matching(filters: SearchFilters) -> QuerySet[HotEvent]:
    exact = {"user_id": filters.user_id, "event_type": filters.event_type}
    events = HotEvent.objects.filter(**{k: v for k, v in exact.items() if v is not None})
    if filters.start:
        events = events.filter(occurred_at__gte=filters.start)
    if filters.end:
        events = events.filter(occurred_at__lte=filters.end)
    if filters.cursor:
        at, event_id = filters.cursor
        events = events.filter(occurred_at__lte=at)
        events = events.filter(Q(occurred_at__lt=at) | Q(event_id__lt=event_id))
    return events


def _shown(event: HotEvent) -> dict[str, Any]:
    return {
        "event_id": str(event.event_id),
        "occurred_at": timestamp(event.occurred_at),
        "user_id": event.user_id,
        "event_type": event.event_type,
        "properties": json.loads(event.properties),
    }
