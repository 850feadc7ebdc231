"""What the OpenAPI document says about `/events`, `/metrics` and API keys."""

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
from events.api.query_parameters import CURSOR, DEFAULT_PAGE, MAX_PAGE
from events.format.inspection import MAX_TEXT
from events.ingest.validation import MAX_EVENTS
from projects import access

_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
}
_MOMENT = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}
_EVENT = component(
    "Event",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["event_id", "occurred_at", "user_id", "event_type"],
        "properties": {
            "event_id": {
                "type": "string",
                "format": "uuid",
                "description": "Made by the client; of events with one id the first is kept.",
            },
            "occurred_at": {
                "type": "string",
                "format": "date-time",
                "description": (
                    "ISO 8601 with an offset, 1970 to now + 24 h; kept to the millisecond."
                ),
            },
            "user_id": {**_NAME, "description": "No control characters."},
            "event_type": {**_NAME, "description": "No control characters."},
            "properties": component(
                "Properties",
                {
                    "type": "object",
                    "additionalProperties": True,
                    "default": {},
                    "description": (
                        "At most 64 KiB, 8 levels and 255 keys in all; no key twice in one "
                        "object, no NUL, no lone surrogate, no integer past 64 bits, no number "
                        "past a double, no %2E in a key."
                    ),
                },
            ),
        },
    },
)
_EVENTS = {"type": "array", "maxItems": MAX_EVENTS, "items": _EVENT}
_BODY = {"oneOf": [record("EventBatch", {"events": _EVENTS}, additionalProperties=False), _EVENTS]}
_ERROR = record(
    "EventError",
    {
        "index": {**COUNT, "description": "of the event in the request, from 0"},
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
_PAGE = record(
    "EventPage",
    {
        "events": {"type": "array", "items": _EVENT},
        "next": {**TEXT, "nullable": True, "description": "cursor of the next page"},
    },
)
_CODING = component(
    "ContentCoding", {"type": "string", "enum": ["identity", "gzip", "deflate", "zstd"]}
)

_ID = "0191f5a0-0000-7000-8000-000000000001"
_SAMPLE_EVENT = {
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
        "Takes one event or thousands. Valid ones are accepted, others are listed in `errors`. "
        "Sending an event again is always safe: its `event_id` is kept once."
    ),
    request={"application/json": _BODY},
    parameters=[
        _flag("wait", "Store before answering: 200, with `duplicates` told apart."),
        _flag("strict", "Refuse the whole request with 400 if any event is invalid."),
        OpenApiParameter(
            "Content-Encoding",
            _CODING,
            OpenApiParameter.HEADER,
            description="Of the body; at most 20 MiB decoded.",
        ),
        *COMMON_PARAMETERS,
    ],
    examples=[
        OpenApiExample("one event", value={"events": [_SAMPLE_EVENT]}, request_only=True),
        OpenApiExample("a bare array", value=[_SAMPLE_EVENT], request_only=True),
    ],
    responses={
        200: OpenApiResponse(
            _STORED,
            description="`wait=true`: stored. `received = accepted + duplicates + rejected`.",
            examples=[OpenApiExample("stored", value=_SAMPLE_STORED)],
        ),
        202: OpenApiResponse(
            _RESULT,
            description="On the queue. `received = accepted + rejected`.",
            examples=[OpenApiExample("accepted", value=_SAMPLE_RESULT)],
        ),
        (400, "application/json"): OpenApiResponse(
            _REFUSED,
            description="No event is valid, or one is not and `strict=true`; nothing was accepted.",
            examples=[OpenApiExample("refused", value=_SAMPLE_REFUSED)],
        ),
        **problem(
            400,
            "Not JSON, not events, or a wrong parameter.",
            "The body is not JSON.",
            schema=_REFUSED,
        ),
        **problem(411, "A chunked body.", "Send a Content-Length; chunked bodies are not taken."),
        **problem(
            413,
            "Over 10,000 events or 20 MiB decoded, or 5 s of property schemas.",
            "10001 events in one request.",
        ),
        **problem(415, "Not application/json, or an unknown encoding.", "Unsupported media type."),
        **refusals(access.INGEST),
        **problem(
            503,
            "The queue or store is down, or a property schema can't be used; nothing is lost by "
            "resending.",
            "Try again.",
        ),
    },
)

get_events = extend_schema(
    operation_id="get_events",
    summary="Look at recent events",
    description="The events of the hot window (7 days by default), newest first.",
    parameters=[
        OpenApiParameter("user_id", _NAME),
        OpenApiParameter("event_type", _NAME),
        OpenApiParameter(
            "from",
            _MOMENT,
            description=(
                "A date, written 2026-01-31, or a date and time with an offset, of which what is "
                "finer than a millisecond is cut off."
            ),
        ),
        OpenApiParameter(
            "to", _MOMENT, description="Likewise; included, a date with its whole day."
        ),
        OpenApiParameter(
            "cursor",
            {"type": "string", "minLength": 1, "pattern": f"^{CURSOR}$"},
            description="`next` of the page before this one.",
        ),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
        ),
        *COMMON_PARAMETERS,
    ],
    responses={
        200: OpenApiResponse(
            _PAGE,
            description="A page; `next` is null on the last. It has fewer events than `limit` "
            "where their properties together take more than 1 MiB.",
            examples=[OpenApiExample("page", value={"events": [_SAMPLE_EVENT], "next": None})],
        ),
        **problem(400, "A wrong parameter.", "Wrong query parameters: from: from is after to."),
        **refusals(access.READ),
        **problem(503, "A store is down.", "PostgreSQL can't be reached."),
    },
)


# events.monitoring.exposition answers this path before Django looks for a view.
document_path(
    "/metrics",
    {
        "get": {
            "operationId": "metrics",
            "summary": "What Prometheus reads",
            "description": (
                "With METRICS_TOKEN for whoever shows it as a bearer token, without it for this "
                "machine alone."
            ),
            "tags": ["service"],
            "security": [{"metrics": []}] if settings.METRICS_TOKEN else [{}],
            "responses": {
                "200": {
                    "description": "Prometheus' text format, version 0.0.4.",
                    "content": {"text/plain": {"schema": TEXT}},
                },
                "403": {
                    "description": "Not for strangers.",
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
