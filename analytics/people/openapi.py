"""What the OpenAPI document says about people."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from analytics.api.openapi import FORMAT, SEGMENTS, answers
from analytics.people.listing import DEFAULT_LIMIT, MAX_LIMIT
from config.api.openapi import COMMON_PARAMETERS, COUNT, CURSOR, TEXT, problem, record, refusals
from projects import access

_MOMENT = {"type": "string", "format": "date-time"}
_SEEN = {
    "user_id": TEXT,
    "first_seen": {**_MOMENT, "description": "When the first event happened."},
    "last_seen": {**_MOMENT, "description": "When the last event happened."},
}
PAGE = record(
    "UserPage",
    {
        "total": {**COUNT, "description": "How many users the whole list has."},
        "users": {"type": "array", "items": record("User", _SEEN)},
        "next": {**TEXT, "nullable": True, "description": "Cursor of the next page."},
    },
)
_SHOWN = {
    "user_id": "u1",
    "first_seen": "2026-01-01T08:30:00.000Z",
    "last_seen": "2026-01-31T17:45:12.345Z",
}
EXAMPLE = {"total": 531, "users": [_SHOWN], "next": None}
# The parameters of every list of users.
PAGES = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="The most users of a page.",
    ),
    CURSOR,
]
_DOWN = problem(
    503,
    "ClickHouse is down, or the question is over a limit of reports.",
    "ClickHouse can't answer now; try again.",
)
USER = OpenApiParameter(
    "user_id",
    TEXT,
    OpenApiParameter.PATH,
    description="The id, percent-encoded. It may have slashes, also encoded as `%2F`.",
)

get_users = extend_schema(
    operation_id="get_users",
    summary="Look for users",
    description=(
        "Users whose last event is the newest come first. With segments, `from` or `to` they are "
        "those with an event that matches, on these days."
    ),
    parameters=[
        OpenApiParameter(
            "prefix",
            {"type": "string", "maxLength": 200},
            description="Only users whose id begins with exactly this.",
        ),
        OpenApiParameter(
            "from",
            OpenApiTypes.DATE,
            description="First day of the events that are meant; without it the first of all.",
        ),
        OpenApiParameter("to", OpenApiTypes.DATE, description="Last day, included; else today."),
        *PAGES,
        *SEGMENTS,
        FORMAT,
        *COMMON_PARAMETERS,
    ],
    responses={
        **answers(PAGE, "A page; `next` is null on the last page.", EXAMPLE),
        **problem(400, "A wrong parameter.", "Wrong query parameters: limit: must be from 1."),
        **refusals(access.READ),
        **_DOWN,
    },
)
get_user = extend_schema(
    operation_id="get_user",
    summary="Look at a user",
    parameters=[USER, *COMMON_PARAMETERS],
    responses={
        200: OpenApiResponse(
            record(
                "UserSummary",
                {
                    **_SEEN,
                    "events": {**COUNT, "description": "How many events there are."},
                    "event_types": {
                        "type": "array",
                        "items": record("UserEventType", {"event_type": TEXT, "events": COUNT}),
                        "description": "Most frequent first, at most 1,000.",
                    },
                },
            ),
            examples=[
                OpenApiExample(
                    "user",
                    value={
                        **_SHOWN,
                        "events": 42,
                        "event_types": [{"event_type": "page_view", "events": 42}],
                    },
                )
            ],
        ),
        **problem(400, "An unknown parameter.", "Wrong query parameters: x: unknown parameter."),
        **refusals(access.READ),
        **problem(404, "No such project, or no such user in it.", "There is no such user."),
        **_DOWN,
    },
)
