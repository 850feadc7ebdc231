"""What the OpenAPI document says of the reports."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from config import access
from config.openapi import RATE_LIMIT_HEADERS, problem, refusals

_ERRORS = {
    **problem(400, "A wrong or missing parameter.", "Wrong query parameters: from: is missing."),
    **refusals(access.READ),
    **problem(503, "ClickHouse is gone or over a limit.", "ClickHouse can't answer now."),
}
_SEGMENT = OpenApiParameter(
    "segment",
    {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    explode=True,
    description=(
        "Only events that match, all of them where repeated: `event_type:purchase`, `user_id:u1`, "
        "`properties.country:UA`, `properties.page.section:news`. `=` works like the first `:`. "
        "Values compare as text, numbers as numbers. A key with one of `.` `:` `=` `\\` in it "
        "writes a backslash before it."
    ),
    examples=[OpenApiExample("purchases", value=["event_type:purchase"])],
)
_RANGE = [
    OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="First day, UTC."),
    OpenApiParameter("to", OpenApiTypes.DATE, required=True, description="Last day, included."),
]
_COUNT = {"type": "integer", "minimum": 0}


def _rows(properties: dict[str, Any], example: dict[str, Any], description: str) -> Any:
    schema: dict[str, Any] = {
        "type": "array",
        "items": {"type": "object", "required": list(properties), "properties": properties},
    }
    if "week_0" in properties:
        schema["items"]["additionalProperties"] = {"type": "number", "nullable": True}
    examples = [OpenApiExample("rows", value=[example])]
    return {200: OpenApiResponse(schema, description=description, examples=examples)}


daily_active_users = extend_schema(
    operation_id="daily_active_users",
    summary="How many people came each day",
    parameters=[*_RANGE, _SEGMENT, *RATE_LIMIT_HEADERS],
    responses={
        **_rows(
            {"date": {"type": "string", "format": "date"}, "unique_users": _COUNT},
            {"date": "2025-01-01", "unique_users": 1523},
            "Every day of the range, oldest first.",
        ),
        **_ERRORS,
    },
)
top_events = extend_schema(
    operation_id="top_events",
    summary="What they did most",
    parameters=[
        *_RANGE,
        OpenApiParameter(
            "limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
        ),
        _SEGMENT,
        *RATE_LIMIT_HEADERS,
    ],
    responses={
        **_rows(
            {"event_type": {"type": "string"}, "count": _COUNT},
            {"event_type": "page_view", "count": 15234},
            "Most frequent first, by name where they tie.",
        ),
        **_ERRORS,
    },
)
retention = extend_schema(
    operation_id="retention",
    summary="Whether they came back",
    parameters=[
        OpenApiParameter(
            "start_date",
            OpenApiTypes.DATE,
            required=True,
            description="The first cohort is the first week that begins on or after it.",
        ),
        OpenApiParameter(
            "windows",
            {"type": "integer", "minimum": 1, "maximum": 63, "default": 3},
            description="Weeks to look at after the cohort's own.",
        ),
        _SEGMENT,
        *RATE_LIMIT_HEADERS,
    ],
    responses={
        **_rows(
            {"cohort_week": {"type": "string", "format": "date"}, "week_0": _COUNT},
            {
                "cohort_week": "2025-01-06",
                "week_0": 1000,
                "week_1": 45.5,
                "week_2": 32.1,
                "week_3": None,
            },
            "`week_0` is the cohort's size, `week_k` the percentage of it that came k weeks after;"
            " null where that week has not begun.",
        ),
        **_ERRORS,
    },
)
