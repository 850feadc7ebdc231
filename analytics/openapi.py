"""The reports in the OpenAPI document: one call of `_report` for each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from analytics.segments.parsing import MAX_SEGMENTS, PATTERN
from config.api.openapi import COMMON_PARAMETERS, COUNT, TEXT, problem, record, refusals
from projects import access

_View = TypeVar("_View", bound=Callable[..., Any])
_DATE = {"type": "string", "format": "date"}
_ERRORS = {
    **problem(400, "A wrong or missing parameter.", "Wrong query parameters: from: is missing."),
    **refusals(access.READ),
    **problem(
        503,
        "ClickHouse is down, or the report is over a limit.",
        "ClickHouse can't answer now; try again.",
    ),
}
# No maxLength: the web server refuses a URL of that length first, with an error of its own.
_LIST = {
    "type": "array",
    "items": {"type": "string", "pattern": f"^{PATTERN}$"},
    "maxItems": MAX_SEGMENTS,
}
_SEGMENT = OpenApiParameter(
    "segment",
    _LIST,
    explode=True,
    description=(
        "Counts only events that match, such as `event_type:purchase`, `user_id:u1`, "
        "`properties.country:UA` or `properties.page.section:news`. If the parameter is repeated, "
        "an event must match all segments. The first `:` or `=` ends the field. Values are "
        "compared as text, numbers as numbers. In a key, write a backslash before each `.` `:` "
        "`=` `\\`.\n\n"
        "Operators: `not(field):value`, `in(field):a,b`, `notin(field):a,b`, "
        "`contains(field):text`, `icontains(field):text`, `match(field):pattern`, "
        "`gt(field):42` and `ge`, `lt`, `le`, `set(field)`, `unset(field)`. "
        "`did(purchase,n>=3,90d)` is for all events of users who did this, `didnot(…)` for those "
        "of all others. `saved(name)` is a saved segment of the project."
    ),
    examples=[OpenApiExample("purchases", value=["event_type:purchase"])],
)
_OR = OpenApiParameter(
    "or.1",
    _LIST,
    explode=True,
    description=(
        "Segments of which an event must match at least one. There may be more such groups, with "
        "any other number up to 999: `or.2` and so on. All groups must hold."
    ),
    examples=[OpenApiExample("countries", value=["properties.country:UA", "properties.plan:3"])],
)


_TZ = OpenApiParameter(
    "tz",
    {"type": "string", "example": "Europe/Kyiv"},
    description=(
        "The time zone of days and weeks, by its name in the IANA database; without it the "
        "project's. The project's own is the fastest."
    ),
)


def _day(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.DATE, required=True, description=description)


def _number(name: str, least: int, most: int, default: int, about: str) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return OpenApiParameter(name, schema, description=about)


_RANGE = [
    _day("from", "First day, such as 2026-01-31."),
    _day("to", "Last day, included."),
]


def _report(
    operation_id: str,
    *,
    summary: str,
    parameters: Sequence[OpenApiParameter],
    row: dict[str, Any],
    example: Mapping[str, Any],
    description: str,
) -> Callable[[_View], _View]:
    """Documents a report that returns a list of rows. `row` is the named schema of a row."""
    rows = OpenApiResponse(
        {"type": "array", "items": row},
        description=description,
        examples=[OpenApiExample("rows", value=[example])],
    )
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        parameters=[*parameters, _SEGMENT, _OR, _TZ, *COMMON_PARAMETERS],
        responses={200: rows, **_ERRORS},
    )


daily_active_users = _report(
    "daily_active_users",
    summary="Unique users of each day",
    parameters=_RANGE,
    row=record("DailyUsers", {"date": _DATE, "unique_users": COUNT}),
    example={"date": "2025-01-01", "unique_users": 1523},
    description="Every day of the range, oldest first.",
)
top_events = _report(
    "top_events",
    summary="Most frequent event types",
    parameters=[*_RANGE, _number("limit", 1, 1000, 10, "The most rows to return.")],
    row=record("EventCount", {"event_type": TEXT, "count": COUNT}),
    example={"event_type": "page_view", "count": 15234},
    description="Most frequent first. Equal counts are sorted by name.",
)
retention = _report(
    "retention",
    summary="Weekly retention by cohort",
    parameters=[
        _day(
            "start_date",
            "Such as 2026-01-31. The first cohort is the first week that begins on or after it.",
        ),
        _number("windows", 1, 63, 3, "The number of weeks after the week of the cohort."),
    ],
    row=record(
        "Cohort",
        {"cohort_week": _DATE, "week_0": COUNT},
        description="There is one more field for each week after it: `week_1`, `week_2` and so on.",
        additionalProperties={"type": "number", "nullable": True},
    ),
    example={
        "cohort_week": "2025-01-06",
        "week_0": 1000,
        "week_1": 45.5,
        "week_2": 32.1,
        "week_3": None,
    },
    description="`week_0` is the number of users in the cohort. `week_k` is the percentage of them "
    "that came k weeks later; null if that week has not begun.",
)
