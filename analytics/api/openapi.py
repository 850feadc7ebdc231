"""The reports in the OpenAPI document."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from analytics.api.report import Parameter, Report
from analytics.segments.parsing import MAX_SEGMENTS, PATTERN
from config.api.openapi import COMMON_PARAMETERS, TEXT, problem, refusals
from projects import access

_View = TypeVar("_View", bound=Callable[..., Any])
ERRORS = {
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


# What everything is asked that takes segments.
SEGMENTS = (_SEGMENT, _OR, _TZ)
FORMAT = OpenApiParameter(
    "format",
    {"type": "string", "enum": ["json", "csv"], "default": "json"},
    description="`csv` is for spreadsheets.",
)


def documented(report: Report) -> Callable[[_View], _View]:
    """Documents the view of a report."""
    return extend_schema(
        operation_id=report.operation,
        summary=report.summary,
        parameters=[
            *map(parameter, report.parameters),
            *(*SEGMENTS, FORMAT),
            *COMMON_PARAMETERS,
        ],
        responses={**answers(report.schema, report.description, report.example), **ERRORS},
    )


def answers(schema: Mapping[str, Any], description: str, example: Any) -> dict[Any, Any]:
    """An answer in each of the formats."""
    return {
        (200, "application/json"): OpenApiResponse(
            dict(schema),
            description=description,
            examples=[OpenApiExample("answer", value=example)],
        ),
        (200, "text/csv"): OpenApiResponse(TEXT, description="With `format=csv`."),
    }


def parameter(given: Parameter) -> OpenApiParameter:
    """Documents a parameter of a report."""
    schema = {**given.schema}
    if given.default is not None:
        schema["default"] = given.default
    if given.is_list:
        schema = {"type": "array", "items": schema}
    return OpenApiParameter(
        given.name,
        schema,
        required=given.is_required,
        description=given.description,
        explode=given.is_list or None,
    )
