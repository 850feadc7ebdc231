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
    request: Request,
    parsers: Mapping[str, Callable[[str], Any]],
    *,
    required: Sequence[str],
    lists: Sequence[str] = (),
) -> tuple[dict[str, Any], Asked]:
    """The values of a report's own parameters, and what every report is asked.

    Raises what `query_parameters.read` and `project_of` raise, Problem for segments, and
    ClickHouseError.
    """
    given = request.query_params
    groups = (name for name in given if GROUP.fullmatch(name))
    own = [*dict.fromkeys(["segment", "or.1", *groups])]
    parsers = {**parsers, "tz": zones.checked, **dict.fromkeys(own, str)}
    values = read(given, parsers, required=required, lists=[*lists, *own])
    project = project_of(request)
    found = {name: texts for name in own if (texts := values.pop(name))}
    segments = checked_segments(found.pop("segment", []), found, project=project)
    return values, Asked(project=project, zone=_zone(project, values["tz"]), segments=segments)


def _zone(project: int, name: str | None) -> Zone:
    return Zone(name or zone_of(project), partial(keyring.rollup_zone, project))


def checked_segments(
    texts: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    project: int,
    parameter: str | None = None,
) -> Segments:
    """Segments of a request. Raises Problem that names the parameter, and ClickHouseError."""
    try:
        return segments_of(texts, groups, project=project)
    except InvalidSegment as error:
        name = parameter or error.place.parameter
        raise problem([{"parameter": name, "message": str(error)}]) from None
    except (db.Error, psycopg.Error):
        raise Problem(503, "PostgreSQL, which has saved segments, can't be reached.") from None
