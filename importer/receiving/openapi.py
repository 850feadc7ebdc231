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
        "href": {**TEXT, "description": "The address of its progress."},
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
        "rejected": {
            **TEXT,
            "nullable": True,
            "description": "The address of the rejected rows; null if there are none.",
        },
    },
    description=(
        "Rows so far: `read = stored + duplicates + bad`. Bytes so far: `position` of `size`."
    ),
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
        "The body is the file: CSV, TSV or JSON lines (plain, gzip, zstd or zip), or Parquet. Its "
        "content shows the format. When you get the answer, the file is on disk. A worker imports "
        "it; `href` shows the progress."
    ),
    request={"application/octet-stream": {"type": "string", "format": "binary"}},
    parameters=[
        _parameter("name", "The name of the file in the list of imports."),
        _choice("preset", "ImportPreset", sorted(PRESETS), "The tool that exported the file."),
        _pairs("map", MAP, "`field=column`, or `properties.name=column`."),
        _pairs("set", SET, "`field=value`: all rows get this value."),
        _parameter("id_from", "The columns to make `event_id` from, separated by commas."),
        _choice(
            "time",
            "ImportTime",
            get_args(Time),
            "How `occurred_at` is written: ISO 8601 with an offset (`iso`), ISO 8601 in UTC "
            "without an offset (`utc`), or a number since 1970. By default as the preset says, "
            "or `iso`.",
        ),
        _choice(
            "rest",
            "ImportRest",
            get_args(Rest),
            "What to do with columns that no field or property uses: refuse the file (of JSON "
            "lines: the row), put them into properties, or ignore them. By default as the preset "
            "says, or `refuse`.",
        ),
        _parameter("encoding", "The encoding of text, such as latin-1, if not UTF-8 or UTF-16."),
        _parameter("delimiter", "The delimiter of CSV. By default it is detected."),
        _parameter(
            "max_errors",
            "Stop if more rows than this are bad: a number, or a percentage such as 5%.",
        ),
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 255},
            OpenApiParameter.HEADER,
            description=(
                "A key that the client makes. If the client sends the same file and parameters "
                "again with the same key, it gets the same answer, and the file is imported once."
            ),
        ),
        *COMMON_PARAMETERS,
    ],
    responses={
        202: OpenApiResponse(_TAKEN, description="The file is on disk and will be imported."),
        **problem(400, "An empty or broken file, or a wrong parameter.", "The body is empty."),
        **problem(
            409,
            "Another request with the same Idempotency-Key is not finished.",
            "Not accepted: another request with this Idempotency-Key is not finished; try again.",
        ),
        **problem(
            411, "The body is chunked.", "Send a Content-Length; chunked bodies are not accepted."
        ),
        **problem(
            413,
            "The file is larger than IMPORT_MAX_MEGABYTES.",
            "Not accepted: the file has more than 10240 MB.",
        ),
        **problem(
            415,
            "The body is a form.",
            "Send the file itself as the body (curl -T FILE), not a form.",
        ),
        **problem(
            422,
            "The Idempotency-Key was used before with another file or other parameters.",
            "Not accepted: this Idempotency-Key was used before with another file or other "
            "parameters.",
        ),
        **refusals(access.INGEST),
        **problem(
            503,
            "PostgreSQL is down, or the service is already receiving too many files.",
            "PostgreSQL can't be reached; send the file again.",
        ),
        **problem(507, "The disk is full.", "Not accepted: the file cannot be stored: …"),
    },
)

get_import = extend_schema(
    operation_id="get_import",
    summary="Get the progress of an import",
    parameters=COMMON_PARAMETERS,
    responses={
        200: OpenApiResponse(_PROGRESS, description="The progress now."),
        **refusals(access.INGEST),
        **problem(404, "There is no such import.", "There is no such import."),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)

get_rejected = extend_schema(
    operation_id="get_rejected_rows",
    summary="Get the rows that were not imported",
    description=(
        "CSV with the columns `line` and `reason`, then each row as the file has it. You can "
        "correct the rows and import this file."
    ),
    parameters=COMMON_PARAMETERS,
    responses={
        (200, "text/csv"): OpenApiTypes.STR,
        **refusals(access.INGEST),
        **problem(
            404,
            "No row was rejected, or there is no such import.",
            "No row of this import was rejected.",
        ),
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)
