"""What the OpenAPI document says about discovery."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from analytics.api.openapi import FORMAT, answers
from config.api.openapi import COMMON_PARAMETERS, COUNT, TEXT, problem, record, refusals
from projects import access

_View = TypeVar("_View", bound=Callable[..., Any])
_DATE = {"type": "string", "format": "date"}
_NAME = {"type": "string", "maxLength": 1_000}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100}
_RANGE = {
    "from": {**_DATE, "description": "The first day that was looked at."},
    "to": {**_DATE, "description": "The last day, included."},
    "more": {"type": "boolean", "description": "Whether there are more than `limit`."},
}
_LOOKED_AT = {
    **_RANGE,
    "complete": {
        "type": "boolean",
        "description": "Whether all events that were asked for were looked at.",
    },
    "one_in": {
        "type": "integer",
        "minimum": 1,
        "description": "One block of events in so many was looked at.",
    },
}
_SHOWN = {"from": "2026-01-02", "to": "2026-01-31", "more": False}
_SHOWN_LOOK = {**_SHOWN, "complete": True, "one_in": 1}


def _optional(name: str, schema: Any, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, description=description)


_PARAMETERS = [
    _optional(
        "from",
        OpenApiTypes.DATE,
        "First day, such as 2026-01-31; without it, the range has 30 days.",
    ),
    _optional("to", OpenApiTypes.DATE, "Last day, included; today without it."),
    _optional("prefix", _NAME, "Only what begins with this, in capital or small letters."),
    _optional("limit", _LIMIT, "The most rows to return."),
    OpenApiParameter(
        "tz",
        {"type": "string", "example": "Europe/Kyiv"},
        description="The time zone of days, by its name in the IANA database; else the project's.",
    ),
]
_LOOKS = [
    _optional("event_type", {**_NAME, "minLength": 1}, "Only events of this type."),
    _optional(
        "all",
        OpenApiTypes.BOOL,
        "Look at all events of the range, however long it takes. Without it, about 50,000 of the "
        "newest are looked at.",
    ),
]
_PATH = OpenApiParameter(
    "path",
    TEXT,
    required=True,
    description="The property, as `/properties` lists it.",
    examples=[OpenApiExample("section", value="page.section")],
)


def _found(
    operation_id: str,
    *,
    summary: str,
    description: str,
    parameters: Sequence[OpenApiParameter],
    schema: dict[str, Any],
    example: Mapping[str, Any],
) -> Callable[[_View], _View]:
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        parameters=[*parameters, FORMAT, *COMMON_PARAMETERS],
        responses={
            **answers(schema, description, example),
            **problem(
                400, "A wrong or missing parameter.", "Wrong query parameters: path: is missing."
            ),
            **refusals(access.READ),
            **problem(
                503,
                "ClickHouse is down, or the look is over a limit of reports.",
                "ClickHouse can't answer now; try again.",
            ),
        },
    )


def _list_of(row: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": row}


event_types = _found(
    "event_types",
    summary="Event types with their counts",
    description="Most frequent first. Equal counts are sorted by name.",
    parameters=_PARAMETERS,
    schema=record(
        "EventTypeList",
        {
            **_RANGE,
            "event_types": _list_of(
                record(
                    "EventType",
                    {
                        "event_type": TEXT,
                        "events": COUNT,
                        "first_day": {**_DATE, "description": "The first day in the range."},
                        "last_day": {**_DATE, "description": "The last day in the range."},
                    },
                )
            ),
        },
    ),
    example={
        **_SHOWN,
        "event_types": [
            {
                "event_type": "purchase",
                "events": 1523,
                "first_day": "2026-01-02",
                "last_day": "2026-01-31",
            }
        ],
    },
)
properties = _found(
    "properties",
    summary="Properties with their types",
    description="Sorted by path.",
    parameters=[*_PARAMETERS, *_LOOKS],
    schema=record(
        "PropertyList",
        {
            **_LOOKED_AT,
            "properties": _list_of(
                record(
                    "Property",
                    {
                        "path": {
                            **TEXT,
                            "description": "What a segment has after `properties.`.",
                        },
                        "types": {
                            "type": "array",
                            "items": {
                                "type": "string",
                                "enum": ["array", "boolean", "number", "text"],
                            },
                        },
                    },
                )
            ),
        },
    ),
    example={
        **_SHOWN_LOOK,
        "properties": [{"path": "page.section", "types": ["number", "text"]}],
    },
)
property_values = _found(
    "property_values",
    summary="Values of a property",
    description="Most frequent first. Equal counts are sorted by text.",
    parameters=[_PATH, *_PARAMETERS, *_LOOKS],
    schema=record(
        "PropertyValueList",
        {
            **_LOOKED_AT,
            "values": _list_of(
                record(
                    "PropertyValue",
                    {
                        "value": {**TEXT, "description": "As a segment takes it."},
                        "events": {
                            **COUNT,
                            "description": "How many of the events that were looked at have it.",
                        },
                    },
                )
            ),
        },
    ),
    example={**_SHOWN_LOOK, "values": [{"value": "news", "events": 1523}]},
)
