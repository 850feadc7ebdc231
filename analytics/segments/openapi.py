"""What the OpenAPI document says about `/segments`."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from config.api.openapi import COMMON_PARAMETERS, TEXT, component, problem, record, refusals
from projects import access

_TEXT = {
    **TEXT,
    "description": (
        "The part of a report's address that has the segments: `segment=…`, as often as needed, "
        "and `or.1=…` for alternatives."
    ),
}
_NAME = {**TEXT, "minLength": 1, "maxLength": 100, "description": "No control characters."}
_EXAMPLE = {"name": "paying", "text": "segment=in(properties.plan):pro,team"}
_SAVED = record(
    "SavedSegment",
    {
        "id": {"type": "integer"},
        "name": TEXT,
        "text": _TEXT,
        "saved_by": {**TEXT, "description": "The name of the user; empty if nobody knows it."},
        "saved_at": {"type": "string", "format": "date-time"},
    },
)
_NEW = component(
    "NewSavedSegment",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "text"],
        "properties": {"name": _NAME, "text": _TEXT},
    },
)
_SHOWN = {**_EXAMPLE, "id": 1, "saved_by": "olena", "saved_at": "2026-01-31T12:00:00Z"}
_UNKNOWN = problem(400, "An unknown parameter.", "Wrong query parameters: x: unknown parameter.")
_DOWN = problem(503, "PostgreSQL or ClickHouse is down.", "PostgreSQL can't be reached.")
_NOT_JSON = problem(415, "The body is not JSON.", 'Unsupported media type "text/plain" in request.')
_GONE = problem(404, "No such project or segment.", "There is no such saved segment.")
_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)

get_segments = extend_schema(
    operation_id="get_segments",
    summary="List the saved segments",
    parameters=COMMON_PARAMETERS,
    responses={
        200: OpenApiResponse(
            {"type": "array", "items": _SAVED},
            description="By name.",
            examples=[OpenApiExample("segments", value=[_SHOWN])],
        ),
        **_UNKNOWN,
        **refusals(access.READ),
        **_DOWN,
    },
)
post_segments = extend_schema(
    operation_id="post_segment",
    summary="Save a segment under a name",
    description="A report then takes it as `segment=saved(name)`. It may name other saved ones.",
    parameters=COMMON_PARAMETERS,
    request={"application/json": _NEW},
    examples=[OpenApiExample("segment", value=_EXAMPLE, request_only=True)],
    responses={
        201: OpenApiResponse(_SAVED, examples=[OpenApiExample("segment", value=_SHOWN)]),
        **problem(400, "The name or the text is wrong.", "The segment is not valid: text: …"),
        **refusals(access.EDIT),
        **problem(409, "The name is taken.", "The project has a segment of this name."),
        **_NOT_JSON,
        **_DOWN,
    },
)
put_segment = extend_schema(
    operation_id="put_segment",
    summary="Change a saved segment",
    description="Reports that name it count by the new text at once.",
    parameters=[_ID, *COMMON_PARAMETERS],
    request={"application/json": _NEW},
    examples=[OpenApiExample("segment", value=_EXAMPLE, request_only=True)],
    responses={
        200: OpenApiResponse(_SAVED, examples=[OpenApiExample("segment", value=_SHOWN)]),
        **problem(400, "The name or the text is wrong.", "The segment is not valid: text: …"),
        **refusals(access.EDIT),
        **_GONE,
        **problem(
            409,
            "The name is taken, or other saved segments have the old one.",
            "It can't be renamed: it is used by 'active'; change these first.",
        ),
        **_NOT_JSON,
        **_DOWN,
    },
)
delete_segment = extend_schema(
    operation_id="delete_segment",
    summary="Delete a saved segment",
    parameters=[_ID, *COMMON_PARAMETERS],
    responses={
        204: OpenApiResponse(description="It is gone. Reports that name it answer 400."),
        **_UNKNOWN,
        **refusals(access.EDIT),
        **_GONE,
        **problem(
            409,
            "Other saved segments name it.",
            "'paying' can't be deleted: it is used by 'active'; change these first.",
        ),
        **_DOWN,
    },
)
