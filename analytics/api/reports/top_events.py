"""The most frequent event types."""

from typing import Any

from analytics import reports
from analytics.api.report import (
    RANGE,
    Parameter,
    People,
    Report,
    Values,
    check_days,
    of_number,
)
from analytics.parameters import Asked
from analytics.people.finding import active
from analytics.queries import Query
from analytics.segments.expressions import Comparison, Field, Segments
from config.api.openapi import COUNT, TEXT, record
from config.api.query_parameters import whole_number
from config.memory import room

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 10
# Memory for one event type: as a row from ClickHouse, as objects and as JSON.
_EVENT_TYPE_BYTES = 2_500


def _answer(values: Values, asked: Asked) -> list[dict[str, Any]]:
    start, end, limit = values["from"], values["to"], values["limit"]
    room.need_for_answer(_EVENT_TYPE_BYTES * limit)
    rows = reports.top_events(**asked, start=start, end=end, limit=limit)
    return [{"event_type": row.event_type, "count": row.events} for row in rows]


def _users(values: Values, asked: Asked) -> Query:
    segments = asked["segments"]
    if values["event_type"] is not None:
        of_type = Comparison(Field("event_type"), "is", (values["event_type"],))
        segments = Segments((*segments.groups, (of_type,)))
    return active(asked["zone"], segments, (values["from"], values["to"]), values["to"])


REPORT = Report(
    path="top-events",
    summary="Most frequent event types",
    description="Most frequent first. Equal counts are sorted by name.",
    parameters=(
        *RANGE,
        of_number(
            "limit",
            whole_number(1, MAX_LIMIT),
            (1, MAX_LIMIT),
            DEFAULT_LIMIT,
            "The most rows to return.",
        ),
    ),
    check=check_days,
    people=People(
        "The users with an event of a type.",
        parameters=(
            Parameter("event_type", str, TEXT, "The type that is meant; without it, of any."),
        ),
        users=_users,
    ),
    answer=_answer,
    columns=lambda values: ("event_type", "count"),
    schema={"type": "array", "items": record("EventCount", {"event_type": TEXT, "count": COUNT})},
    example=[{"event_type": "page_view", "count": 15234}],
)
