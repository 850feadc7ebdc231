"""What all parts of the OpenAPI document share: named schemas, refusals, limits.

drf-spectacular names only the schemas of serializers, and this service has no serializers.
Generators of clients name their classes after schemas. So each schema that is worth a class is a
`component`.
"""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from config.api.cursors import PATTERN

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_schemas: dict[str, dict[str, Any]] = {}
_paths: dict[str, dict[str, Any]] = {}


def component(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Add a named schema to the document. Returns a reference to it."""
    assert name not in _schemas, f"two schemas are called {name}"
    _schemas[name] = dict(schema)
    return {"$ref": f"#/components/schemas/{name}"}


def record(
    name: str, fields: Mapping[str, Any], *, description: str = "", **more: Any
) -> dict[str, Any]:
    """A component for objects that always have all of these fields."""
    said = {"description": description} if description else {}
    schema = {"type": "object", **said, "required": list(fields), "properties": dict(fields)}
    return component(name, {**schema, **more})


def document_path(path: str, operations: Mapping[str, Any]) -> None:
    """Add a path that no view answers. `operations` are by method, as in the document."""
    _paths[path] = dict(operations)


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hook of drf-spectacular: adds the components, and the paths that no view answers."""
    result["components"].setdefault("schemas", {}).update(_schemas)
    result["paths"].update(_paths)
    for operations in result["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return result


PROBLEM = component(
    "Problem",
    {
        "type": "object",
        "description": "RFC 9457 problem document",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "example": "about:blank"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "errors": {
                "type": "array",
                "items": component(
                    "ProblemError",
                    {
                        "type": "object",
                        "description": "One error of the request.",
                        "required": ["message"],
                        "properties": {
                            "parameter": {**TEXT, "description": "The wrong query parameter."},
                            "message": TEXT,
                        },
                    },
                ),
            },
        },
    },
)


def problem(
    status: int, when: str, detail: str, schema: dict[str, Any] = PROBLEM
) -> dict[Any, OpenApiResponse]:
    """One error answer, to be merged into a view's `responses`."""
    document = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    example = OpenApiExample(_TITLES[status], value=document, media_type="application/problem+json")
    response = OpenApiResponse(schema, description=when, examples=[example])
    return {(status, "application/problem+json"): response}


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    411: "Length Required",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}


def refusals(scope: str) -> dict[Any, OpenApiResponse]:
    """The answers to requests without a valid key, and to requests over their limit."""
    return {
        **problem(
            401,
            "The API key is unknown, revoked or expired, or a key is required and missing.",
            "There is no such API key, or it was revoked.",
        ),
        **problem(
            403,
            f"The API key does not have the scope `{scope}`, or the person's role does not.",
            f"This request needs an API key with the scope {scope!r}.",
        ),
        **problem(
            404,
            "No such project, or not one of the key or the person.",
            "There is no such project.",
        ),
        **problem(
            429,
            "The rate limit is exceeded, or the project's quota of events for the month; "
            "`Retry-After` says how many seconds to wait.",
            "More than 1000 requests a minute from one address.",
        ),
    }


_RATE_LIMIT_HEADERS = [
    OpenApiParameter(
        "RateLimit-Policy",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=True,
        description='The quota and its window in seconds: `"default";q=1000;w=60`',
    ),
    OpenApiParameter(
        "RateLimit",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=True,
        description=(
            "The requests that are left, and the seconds until the whole quota is free again; with "
            '429, the seconds until the next request is allowed: `"default";r=999;t=1`'
        ),
    ),
]
PROJECT = OpenApiParameter(
    "project",
    OpenApiTypes.STR,
    description=(
        "The project's slug. Without it, the project is that of the key. Without a key, it is the "
        "default project, or the only one of the person who is logged in."
    ),
)
CURSOR = OpenApiParameter(
    "cursor",
    {"type": "string", "minLength": 1, "pattern": f"^{PATTERN}$"},
    description="`next` of the previous page.",
)
# What every call of the API accepts, and what every answer has.
COMMON_PARAMETERS = [PROJECT, *_RATE_LIMIT_HEADERS]
