"""What the OpenAPI document says the same way everywhere: refusals and the rate limit's headers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    },
}


def problem(status: int, when: str, detail: str) -> dict[Any, OpenApiResponse]:
    """One error answer, to be merged into a view's `responses`."""
    document = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    example = OpenApiExample(_TITLES[status], value=document, media_type="application/problem+json")
    response = OpenApiResponse(PROBLEM_SCHEMA, description=when, examples=[example])
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
    """The answers to requests without a good key, and to those past their limit."""
    return {
        **problem(
            401,
            "The API key is unknown, revoked or expired, or missing where one is required.",
            "There is no such API key, or it was revoked.",
        ),
        **problem(
            403,
            f"The API key has not the scope `{scope}`.",
            f"This needs a key with the scope {scope!r}; this one has not.",
        ),
        **problem(
            429,
            "Over the rate limit; `Retry-After` says for how long.",
            "More than 1000 requests a minute from one address.",
        ),
    }


RATE_LIMIT_HEADERS = [
    OpenApiParameter(
        "RateLimit-Policy",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=True,
        description='Quota and its window in seconds: `"default";q=1000;w=60`',
    ),
    OpenApiParameter(
        "RateLimit",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=True,
        description='Requests left and seconds until all are back: `"default";r=999;t=1`',
    ),
]
