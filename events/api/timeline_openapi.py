"""What the OpenAPI document says about the timeline of a user."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from analytics.people.openapi import USER
from config.api.cursors import PATTERN
from config.api.openapi import COMMON_PARAMETERS, problem, refusals
from events.api.openapi import EVENT_PAGE, SAMPLE_EVENT
from events.api.query_parameters import DEFAULT_PAGE, MAX_PAGE
from projects import access

get_user_events = extend_schema(
    operation_id="get_user_events",
    summary="Look at the timeline of a user",
    description="All events of a user, newest first, also those that ClickHouse does not have yet.",
    parameters=[
        USER,
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
        ),
        OpenApiParameter(
            "cursor",
            {"type": "string", "minLength": 1, "pattern": f"^{PATTERN}$"},
            description="`next` of the previous page.",
        ),
        *COMMON_PARAMETERS,
    ],
    responses={
        200: OpenApiResponse(
            EVENT_PAGE,
            description="A page; `next` is null on the last page. A page has fewer events than "
            "`limit` if their properties together would take more than 1 MiB.",
            examples=[OpenApiExample("page", value={"events": [SAMPLE_EVENT], "next": None})],
        ),
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
