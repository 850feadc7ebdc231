"""Live: the events that have just arrived, for a page that asks again every few seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from config.memory import room
from events.api.query_parameters import SearchFilters, encode_after
from events.api.search import PAGE_BYTES, page_bytes, shown
from events.models import HotEvent
from events.storing import dedup
from events.storing.store import NoProject

# An event has its time of arrival before others can see it. So each answer ends this long ago, and
# an event of a transaction that took longer is left out.
_SETTLED = timedelta(seconds=1)
# Who asks again later than this is not shown everything: all ids that arrived since are read.
LONGEST = timedelta(minutes=1)
# So many arrivals are looked at; more in one answer are not shown.
MOST_ARRIVALS = 10_000


def arrivals(*, project: int, filters: SearchFilters) -> dict[str, Any]:
    """What arrived since the last answer, newest first, as far as the hot layer has it.

    `{"events": [...], "next": cursor, "complete": bool}`, for msgspec. `complete` is false if more
    arrived than is shown. Raises room.NoRoom and NoProject.
    """
    assert filters.after is not None
    until = datetime.now(UTC) - _SETTLED
    since = max(filters.after, until - LONGEST)
    room.need_for_answer(page_bytes(filters.limit))
    rows, arrived = _rows(project, filters, since, until) if since < until else ([], 0)
    page = rows[: filters.limit]
    is_cut = arrived >= MOST_ARRIVALS or (bool(rows) and rows[0].found > len(page))
    return {
        "events": [shown(event) for event in page],
        "next": encode_after(max(until, filters.after)),
        "complete": not is_cut and since == filters.after,
    }


def _rows(
    project: int, filters: SearchFilters, since: datetime, until: datetime
) -> tuple[list[Any], int]:
    """The events, and how many arrivals were looked at. Raises NoProject."""
    parameters = {
        "project": project,
        "user_id": filters.user_id,
        "event_type": filters.event_type,
        "since": since,
        "until": until,
        "most": MOST_ARRIVALS,
        "limit": filters.limit,
        "bytes": PAGE_BYTES,
    }
    try:
        rows: list[Any] = list(HotEvent.objects.raw(dedup.sql("arrivals", project), parameters))
    except ProgrammingError as error:
        if isinstance(error.__cause__, UndefinedTable):
            raise NoProject from None  # it is being deleted
        raise
    return [row for row in rows if row.event_id is not None], rows[0].arrived
