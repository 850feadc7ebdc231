"""The HTTP endpoints of discovery."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from analytics import zones
from analytics.api.table import parse_format, table
from analytics.api.view import ReportView
from analytics.discovery import finding, openapi
from analytics.discovery.finding import EventType, Found, Property, Value
from analytics.discovery.looking import Question
from analytics.parameters import check_range, report_day, zone_asked
from analytics.segments.expressions import Field
from analytics.segments.parsing import parse_field
from analytics.zones import Zone
from config.api.query_parameters import flag, read, text_up_to, whole_number
from config.memory import room
from projects.of_request import project_of

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
DEFAULT_DAYS = 30
# A name, or what it begins with.
_text = text_up_to(1_000, of="event")
# Memory for one row with a text of 1,000 characters: from ClickHouse, as objects and as JSON.
_ROW_BYTES = 16_000
_FIRST_DAY = date(1970, 1, 1)


class _Asked(NamedTuple):
    """What every endpoint is asked, and the values of its own parameters."""

    question: Question
    prefix: str
    limit: int
    values: dict[str, Any]


class EventTypesView(ReportView):
    @openapi.event_types
    def get(self, request: Request) -> HttpResponse | Response:
        asked = _read(request, {})
        found = finding.event_types(asked.question, prefix=asked.prefix, limit=asked.limit)
        return _answer(asked, "event_types", EventType, _range(found), found)


class PropertiesView(ReportView):
    @openapi.properties
    def get(self, request: Request) -> HttpResponse | Response:
        asked = _read(request, {"event_type": _name, "all": flag})
        found = finding.properties(asked.question, prefix=asked.prefix, limit=asked.limit)
        return _answer(asked, "properties", Property, _looked_at(found), found)


class PropertyValuesView(ReportView):
    @openapi.property_values
    def get(self, request: Request) -> HttpResponse | Response:
        parsers = {"path": _field, "event_type": _name, "all": flag}
        asked = _read(request, parsers, required=("path",))
        field = asked.values["path"]
        found = finding.values(asked.question, field, prefix=asked.prefix, limit=asked.limit)
        return _answer(asked, "values", Value, _looked_at(found), found)


def _range(found: Found[Any]) -> dict[str, Any]:
    return {"from": found.seen.start, "to": found.seen.end, "more": found.more}


def _looked_at(found: Found[Any]) -> dict[str, Any]:
    seen = found.seen
    return {**_range(found), "complete": seen.complete, "one_in": seen.one_in}


def _answer(
    asked: _Asked, name: str, kind: Any, about: dict[str, Any], found: Found[Any]
) -> HttpResponse | Response:
    """The rows, and what is said about all of them: in a table, each row has it."""
    rows = [row._asdict() for row in found.rows]
    if asked.values["format"] == "csv":
        columns = (*kind._fields, *about)
        return table(name.replace("_", "-"), [{**_cells(row), **about} for row in rows], columns)
    return Response({**about, name: rows})


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {name: " ".join(it) if isinstance(it, list) else it for name, it in row.items()}


def _read(
    request: Request, parsers: dict[str, Callable[[str], Any]], *, required: tuple[str, ...] = ()
) -> _Asked:
    """Also waits for the memory of an answer with so many rows."""
    values = read(
        request.query_params,
        {
            **{"from": report_day, "to": report_day, "tz": zones.checked},
            **{"prefix": _text, "limit": whole_number(1, MAX_LIMIT)},
            **{"format": parse_format, **parsers},
        },
        required=required,
    )
    project = project_of(request)
    zone = zone_asked(project, values["tz"])
    start, end = _days(values, zone)
    limit = values["limit"] or DEFAULT_LIMIT
    room.need_for_answer(_ROW_BYTES * limit)
    question = Question(
        project, zone, start, end, values.get("event_type"), all=bool(values.get("all"))
    )
    return _Asked(question, values["prefix"] or "", limit, values)


def _days(values: dict[str, Any], zone: Zone) -> tuple[date, date]:
    end = values["to"] or zone.today()
    start = values["from"] or max(_FIRST_DAY, end - timedelta(days=DEFAULT_DAYS - 1))
    check_range(start, end)
    return start, end


def _name(text: str) -> str:
    if not text:
        raise ValueError("is empty; leave it out for all types")
    return _text(text)


def _field(path: str) -> Field:
    try:
        return parse_field(f"properties.{path}")
    except ValueError as error:
        raise ValueError(f"properties.{path[:100]} can't be read: {error}") from None
