"""What every report is asked: its project, its time zone and its segments."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

import psycopg
from django import db
from rest_framework.request import Request

from analytics import zones
from analytics.segments.asked import segments_of
from analytics.segments.expressions import InvalidSegment, Segments
from analytics.segments.parsing import GROUP
from analytics.zones import Zone
from config.api.problems import Problem
from config.api.query_parameters import problem, read
from projects.keyring import keyring
from projects.of_request import project_of, zone_of


class Asked(TypedDict):
    """Arguments that every report takes."""

    project: int
    zone: Zone
    segments: Segments


def read_report(
    request: Request, parsers: Mapping[str, Callable[[str], Any]], *, required: Sequence[str]
) -> tuple[dict[str, Any], Asked]:
    """The values of a report's own parameters, and what every report is asked.

    Raises what `query_parameters.read` and `project_of` raise, Problem for segments, and
    ClickHouseError.
    """
    given = request.query_params
    groups = (name for name in given if GROUP.fullmatch(name))
    lists = [*dict.fromkeys(["segment", "or.1", *groups])]
    parsers = {**parsers, "tz": zones.checked, **dict.fromkeys(lists, str)}
    values = read(given, parsers, required=required, lists=lists)
    project = project_of(request)
    segments = _segments(project, {name: texts for name in lists if (texts := values.pop(name))})
    return values, Asked(project=project, zone=_zone(project, values["tz"]), segments=segments)


def _zone(project: int, name: str | None) -> Zone:
    return Zone(name or zone_of(project), partial(keyring.rollup_zone, project))


def _segments(project: int, given: dict[str, list[str]]) -> Segments:
    texts = given.pop("segment", [])
    try:
        return segments_of(texts, given, project=project)
    except InvalidSegment as error:
        raise problem([{"parameter": error.place.parameter, "message": str(error)}]) from None
    except (db.Error, psycopg.Error):
        raise Problem(503, "PostgreSQL, which has saved segments, can't be reached.") from None
