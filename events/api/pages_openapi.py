"""What the OpenAPI document says about pages of events: recent ones, and those of a user."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from analytics.people.openapi import USER
from config.api.cursors import PATTERN
from config.api.openapi import COMMON_PARAMETERS, CURSOR, TEXT, component, problem, refusals
from events.api.openapi import EVENT, NAME, SAMPLE_EVENT
from events.api.query_parameters import DEFAULT_PAGE, MAX_PAGE
from projects import access

_MOMENT = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}
_PAGE = component(
    "EventPage",
    {
        "type": "object",
        "required": ["events", "next"],
        "properties": {
            "events": {"type": "array", "items": EVENT},
            "next": {**TEXT, "nullable": True, "description": "Cursor of the next page."},
            "complete": {
                "type": "boolean",
                "description": "Only with `after`: false if more arrived than the answer shows.",
            },
        },
    },
)
_ANSWER = OpenApiResponse(
    _PAGE,
    description="A page; `next` is null on the last page. A page has fewer events than `limit` if "
    "their properties together would take more than 1 MiB.",
    examples=[OpenApiExample("page", value={"events": [SAMPLE_EVENT], "next": None})],
)
_LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE}
)

get_events = extend_schema(
    operation_id="get_events",
    summary="Look at recent events",
    description="The events of the hot window (7 days by default), newest first.",
    parameters=[
        OpenApiParameter("user_id", NAME),
        OpenApiParameter("event_type", NAME),
        OpenApiParameter(
            "from",
            _MOMENT,
            description=(
                "A date such as 2026-01-31, or a date and time with a UTC offset. Digits after the "
                "millisecond are cut off."
            ),
        ),
        OpenApiParameter(
            "to", _MOMENT, description="As `from`. It is included; a date includes its whole day."
        ),
        CURSOR,
        OpenApiParameter(
            "after",
            {"type": "string", "minLength": 1, "pattern": f"^{PATTERN}$"},
            description=(
                "For a live view: `now` at first, then `next` of the last answer. The answer has "
                "the events that arrived in between. Not together with `from`, `to` and `cursor`."
            ),
        ),
        _LIMIT,
        *COMMON_PARAMETERS,
    ],
    responses={
        200: _ANSWER,
        **problem(400, "A wrong parameter.", "Wrong query parameters: from: from is after to."),
        **refusals(access.READ),
        **problem(
            503,
            "PostgreSQL is down, or the service is short of memory.",
            "PostgreSQL can't be reached.",
        ),
    },
)

get_user_events = extend_schema(
    operation_id="get_user_events",
    summary="Look at the timeline of a user",
    description="All events of a user, newest first, also those that ClickHouse does not have yet.",
    parameters=[
        USER,
        _LIMIT,
        CURSOR,
        *COMMON_PARAMETERS,
    ],
    responses={
        200: _ANSWER,
        **problem(400, "A wrong parameter.", "Wrong query parameters: limit: must be from 1."),
        **refusals(access.READ),
        **problem(404, "No such project, or no such user in it.", "There is no such user."),
        **problem(
            503,
            "PostgreSQL or ClickHouse is down, or the question is over a limit of reports.",
            "ClickHouse can't answer now; try again.",
        ),
    },
)
