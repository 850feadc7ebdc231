"""What the OpenAPI document says of `/imports`."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from config import access
from config.openapi import RATE_LIMIT_HEADERS, problem, refusals
from importer.models import Import
from importer.presets import PRESETS

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time", "nullable": True}
_TAKEN: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name", "size", "state", "href"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": _TEXT,
        "size": _COUNT,
        "state": {"type": "string", "enum": ["waiting"]},
        "href": _TEXT,
    },
}
_COUNTS = ("size", "position", "read", "stored", "duplicates", "bad")
_TIMES = ("created_at", "started_at", "finished_at")
_PROGRESS: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name", "state", *_COUNTS, "error", *_TIMES, "rejected"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": _TEXT,
        "state": {"type": "string", "enum": list(Import.State.values)},
        **dict.fromkeys(_COUNTS, _COUNT),
        "error": _TEXT,
        **dict.fromkeys(_TIMES, _TIME),
        "rejected": {"type": "string", "nullable": True, "description": "Where rejected rows are."},
    },
}


def _parameter(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description, **more)


post_imports = extend_schema(
    operation_id="post_imports",
    summary="Import a file",
    description=(
        "The body is the file: CSV, TSV, JSON lines or Parquet, plain, gzip, zstd or zip, found out"
        " by its content. It is on disk when the answer comes, and a worker imports it; `href` says"
        " how far it is."
    ),
    request={"application/octet-stream": {"type": "string", "format": "binary"}},
    parameters=[
        _parameter("name", "What the file is called in the list of imports."),
        _parameter("preset", "An export of another tool.", enum=sorted(PRESETS)),
        _parameter("map", "`field=column`, or `properties.name=column`.", many=True),
        _parameter("set", "`field=value`, the same for all rows.", many=True),
        _parameter("id_from", "Columns, with commas between, to make `event_id` from."),
        _parameter("time", "How times are written.", enum=["iso", "utc", "s", "ms", "us"]),
        _parameter(
            "rest", "What becomes of other columns.", enum=["refuse", "properties", "ignore"]
        ),
        _parameter("encoding", "Of text, such as latin-1, where it is not UTF-8 or UTF-16."),
        _parameter("delimiter", "Of CSV."),
        _parameter("max_errors", "Stop at more bad rows: a number, or a percentage like 5%."),
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            OpenApiParameter.HEADER,
            description=(
                "Of the client's making: the same file and parameters sent again under it answer "
                "as the first time and are imported once."
            ),
        ),
        *RATE_LIMIT_HEADERS,
    ],
    responses={
        202: OpenApiResponse(_TAKEN, description="The file is kept and will be imported."),
        **problem(400, "An empty or broken file, or a wrong parameter.", "The body is empty."),
        **problem(409, "The same Idempotency-Key is on its way in.", "Not taken: …"),
        **problem(411, "A chunked body.", "Send a Content-Length; chunked bodies are not taken."),
        **problem(413, "Over IMPORT_MAX_MEGABYTES.", "Not taken: a file of more than 10240 MB."),
        **problem(415, "A form.", "Send the file itself as the body (curl -T FILE), not a form."),
        **problem(422, "The Idempotency-Key came with another payload before.", "Not taken: …"),
        **refusals(access.INGEST),
        **problem(
            503,
            "PostgreSQL is down, or many files are on their way in.",
            "PostgreSQL can't be reached; send the file again.",
        ),
        **problem(507, "The disk is full.", "Not taken: the file cannot be kept: …"),
    },
)

get_import = extend_schema(
    operation_id="get_import",
    summary="See how far an import is",
    description="`read = stored + duplicates + bad` rows so far, `position` of `size` bytes.",
    parameters=RATE_LIMIT_HEADERS,
    responses={
        200: OpenApiResponse(_PROGRESS, description="As it stands."),
        **problem(404, "Unknown.", "There is no such import."),
        **refusals(access.INGEST),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)

get_rejected = extend_schema(
    operation_id="get_rejected_rows",
    summary="Get the rows that were not imported",
    description="CSV: line, reason, and the row as it was; mended, it can be imported again.",
    parameters=RATE_LIMIT_HEADERS,
    responses={
        (200, "text/csv"): OpenApiTypes.BINARY,
        **problem(404, "None were rejected.", "No row of this import was rejected."),
        **refusals(access.INGEST),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)
