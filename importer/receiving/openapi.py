"""What the OpenAPI document says about `/imports`."""

from collections.abc import Iterable
from typing import get_args

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from config.api.openapi import COMMON_PARAMETERS, COUNT, TEXT, component, problem, record, refusals
from importer.mapping.columns import Rest, Time
from importer.mapping.presets import PRESETS
from importer.models import Import
from projects import access

_TIME = {"type": "string", "format": "date-time", "nullable": True}
_ID = {"type": "string", "format": "uuid"}
# The forms that importer.mapping.columns accepts: a field or `properties.name`, and its source.
_FIELD = r"event_id|occurred_at|user_id|event_type"
MAP = rf"^\s*(?:{_FIELD}|properties(?:\.[^=]*)?)\s*=[\s\S]+$"
SET = rf"^\s*(?:{_FIELD}|properties\.[^=]*)\s*=[\s\S]+$"
_TAKEN = record(
    "ImportTaken",
    {
        "id": _ID,
        "name": TEXT,
        "size": COUNT,
        "state": {"type": "string", "enum": ["waiting"]},
        "href": {**TEXT, "description": "Where its progress is."},
    },
)
_COUNTS = ("size", "position", "read", "stored", "duplicates", "bad")
_TIMES = ("created_at", "started_at", "finished_at")
_PROGRESS = record(
    "ImportProgress",
    {
        "id": _ID,
        "name": TEXT,
        "state": component("ImportState", {"type": "string", "enum": list(Import.State.values)}),
        **dict.fromkeys(_COUNTS, COUNT),
        "error": TEXT,
        **dict.fromkeys(_TIMES, _TIME),
        "rejected": {**TEXT, "nullable": True, "description": "Where rejected rows are."},
    },
    description="`read = stored + duplicates + bad` rows so far, `position` of `size` bytes.",
)


def _parameter(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description)


def _choice(name: str, schema: str, values: Iterable[str], description: str) -> OpenApiParameter:
    choices = component(schema, {"type": "string", "enum": list(values)})
    return OpenApiParameter(name, choices, description=description)


def _pairs(name: str, pattern: str, description: str) -> OpenApiParameter:
    schema = {"type": "array", "items": {"type": "string", "pattern": pattern}}
    return OpenApiParameter(name, schema, description=description)


post_imports = extend_schema(
    operation_id="post_imports",
    summary="Import a file",
    description=(
        "The body is the file: CSV, TSV, JSON lines or Parquet, plain, gzip, zstd or zip, "
        "found out by its content. It is on disk when the answer comes, and a worker imports it; "
        "`href` says how far it is."
    ),
    request={"application/octet-stream": {"type": "string", "format": "binary"}},
    parameters=[
        _parameter("name", "What the file is called in the list of imports."),
        _choice("preset", "ImportPreset", sorted(PRESETS), "An export of another tool."),
        _pairs("map", MAP, "`field=column`, or `properties.name=column`."),
        _pairs("set", SET, "`field=value`, the same for all rows."),
        _parameter("id_from", "Columns, with commas between, to make `event_id` from."),
        _choice("time", "ImportTime", get_args(Time), "How times are written."),
        _choice("rest", "ImportRest", get_args(Rest), "What becomes of other columns."),
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
        *COMMON_PARAMETERS,
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
    parameters=COMMON_PARAMETERS,
    responses={
        200: OpenApiResponse(_PROGRESS, description="As it stands."),
        **refusals(access.INGEST),
        **problem(404, "Unknown.", "There is no such import."),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)

get_rejected = extend_schema(
    operation_id="get_rejected_rows",
    summary="Get the rows that were not imported",
    description="CSV: line, reason, and the row as it was; mended, it can be imported again.",
    parameters=COMMON_PARAMETERS,
    responses={
        (200, "text/csv"): OpenApiTypes.STR,
        **refusals(access.INGEST),
        **problem(404, "None were rejected.", "No row of this import was rejected."),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)
