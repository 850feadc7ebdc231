"""What the OpenAPI document says about events and how to send them, `/metrics` and API keys."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from config.api.openapi import (
    COMMON_PARAMETERS,
    COUNT,
    PROBLEM,
    TEXT,
    component,
    document_path,
    problem,
    record,
    refusals,
)
from events.format.inspection import MAX_TEXT
from events.ingest.validation import MAX_EVENTS
from projects import access

NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
}
EVENT = component(
    "Event",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["event_id", "occurred_at", "user_id", "event_type"],
        "properties": {
            "event_id": {
                "type": "string",
                "format": "uuid",
                "description": (
                    "The client makes it. If several events have the same id, the first is kept."
                ),
            },
            "occurred_at": {
                "type": "string",
                "format": "date-time",
                "description": (
                    "ISO 8601 with a UTC offset, from 1970 to 24 hours from now. Digits after the "
                    "millisecond are cut off."
                ),
            },
            "user_id": {**NAME, "description": "No control characters."},
            "event_type": {**NAME, "description": "No control characters."},
            "properties": component(
                "Properties",
                {
                    "type": "object",
                    "additionalProperties": True,
                    "default": {},
                    "description": (
                        "At most 64 KiB, 8 levels and 255 keys in total. Not allowed: the same "
                        "key twice in one object, NUL, a lone surrogate, an integer of more than "
                        "64 bits, a number that is too large for a double, %2E in a key."
                    ),
                },
            ),
        },
    },
)
_EVENTS = {"type": "array", "maxItems": MAX_EVENTS, "items": EVENT}
_BODY = {"oneOf": [record("EventBatch", {"events": _EVENTS}, additionalProperties=False), _EVENTS]}
_ERROR = record(
    "EventError",
    {
        "index": {**COUNT, "description": "Position of the event in the request, from 0."},
        "event_id": {**TEXT, "nullable": True},
        "field": {**TEXT, "nullable": True},
        "code": TEXT,
        "message": TEXT,
    },
    description="Why an event was refused.",
)
_COUNTS: dict[str, Any] = {
    "received": COUNT,
    "accepted": COUNT,
    "rejected": COUNT,
    "errors": {"type": "array", "items": _ERROR},
}
_RESULT = record("IngestResult", _COUNTS, description="`received = accepted + rejected`.")
_STORED = record(
    "StoredResult",
    {**_COUNTS, "duplicates": COUNT},
    description="`received = accepted + duplicates + rejected`.",
)
# The same schema for both media types, because generators look only at the first one.
_REFUSED = component("IngestRefusal", {"anyOf": [_RESULT, PROBLEM]})
_CODING = component(
    "ContentCoding", {"type": "string", "enum": ["identity", "gzip", "deflate", "zstd"]}
)

_ID = "0191f5a0-0000-7000-8000-000000000001"
SAMPLE_EVENT = {
    "event_id": _ID,
    "occurred_at": "2026-01-06T12:00:00Z",
    "user_id": "u1",
    "event_type": "page_view",
    "properties": {"country": "UA", "page": {"section": "news"}},
}
_SAMPLE_ERROR = {
    "index": 1,
    "event_id": "0191f5a0-0000-7000-8000-000000000002",
    "field": "occurred_at",
    "code": "offset",
    "message": "occurred_at has no UTC offset, such as Z",
}
_SAMPLE_RESULT = {"received": 2, "accepted": 1, "rejected": 1, "errors": [_SAMPLE_ERROR]}
_SAMPLE_REFUSED = {"received": 1, "accepted": 0, "rejected": 1, "errors": [_SAMPLE_ERROR]}
_SAMPLE_STORED = {"received": 2, "accepted": 1, "duplicates": 1, "rejected": 0, "errors": []}


def _flag(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.BOOL, description=description, default=False)


post_events = extend_schema(
    operation_id="post_events",
    summary="Send events",
    description=(
        f"Takes up to {MAX_EVENTS:,} events. Valid events are accepted, invalid events are listed "
        "in `errors`. Sending an event again is safe: each `event_id` is stored only once."
    ),
    request={"application/json": _BODY},
    parameters=[
        _flag("wait", "Store the events before the answer, which is 200 and counts `duplicates`."),
        _flag("strict", "Refuse the whole request with 400 if any event is invalid."),
        OpenApiParameter(
            "Content-Encoding",
            _CODING,
            OpenApiParameter.HEADER,
            description="Encoding of the body. The decoded body may have at most 20 MiB.",
        ),
        *COMMON_PARAMETERS,
    ],
    examples=[
        OpenApiExample("one event", value={"events": [SAMPLE_EVENT]}, request_only=True),
        OpenApiExample("a bare array", value=[SAMPLE_EVENT], request_only=True),
    ],
    responses={
        200: OpenApiResponse(
            _STORED,
            description="With `wait=true`: the events are stored. "
            "`received = accepted + duplicates + rejected`.",
            examples=[OpenApiExample("stored", value=_SAMPLE_STORED)],
        ),
        202: OpenApiResponse(
            _RESULT,
            description="The events are on the queue. `received = accepted + rejected`.",
            examples=[OpenApiExample("accepted", value=_SAMPLE_RESULT)],
        ),
        (400, "application/json"): OpenApiResponse(
            _REFUSED,
            description="No event is valid, or `strict=true` and at least one event is invalid. "
            "Nothing was accepted.",
            examples=[OpenApiExample("refused", value=_SAMPLE_REFUSED)],
        ),
        **problem(
            400,
            "The body is not JSON or has no list of events, or a query parameter is wrong.",
            "The body is not JSON: Input data was truncated.",
            schema=_REFUSED,
        ),
        **problem(
            411, "The body is chunked.", "Send a Content-Length; chunked bodies are not taken."
        ),
        **problem(
            413,
            f"The body has more than {MAX_EVENTS:,} events or more than 20 MiB after decoding, or "
            "the check against property schemas takes more than 5 s.",
            f"The body has too many events: more than {MAX_EVENTS} events in one request.",
        ),
        **problem(
            415,
            "The body is not application/json, or its Content-Encoding is unknown.",
            'Unsupported media type "text/plain" in request.',
        ),
        **refusals(access.INGEST),
        **problem(
            503,
            "The queue is down or full, a store is down, the service is short of memory, or a "
            "property schema can't be used. Sending the same events again later is safe.",
            "The queue can't be reached; send the events again.",
        ),
    },
)


# events.monitoring.exposition answers this path before Django looks for a view.
document_path(
    "/metrics",
    {
        "get": {
            "operationId": "metrics",
            "summary": "Metrics for Prometheus",
            "description": (
                "If METRICS_TOKEN is set, the request must have it as a bearer token. If it is not "
                "set, only requests from this machine are allowed."
            ),
            "tags": ["service"],
            "security": [{"metrics": []}] if settings.METRICS_TOKEN else [{}],
            "responses": {
                "200": {
                    "description": "Prometheus' text format, version 0.0.4.",
                    "content": {"text/plain": {"schema": TEXT}},
                },
                "403": {
                    "description": "The token is wrong, or the request is not from this machine.",
                    "content": {"text/plain": {"schema": TEXT}},
                },
            },
        }
    },
)


class KeySchemes(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The two headers that may contain a key. One of them is enough."""

    target_class = "projects.authentication.KeyAuthentication"
    name = ["bearer", "header"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        text = "An API key, ea_…, made in the admin or by `manage.py make_api_key`."
        return [
            {"type": "http", "scheme": "bearer", "description": text},
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": text},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either header; or no header, if keys are not required."""
        either: list[dict[str, list[Any]]] = [{name: []} for name in self.name]
        return either if settings.API_KEYS_REQUIRED else [*either, {}]
