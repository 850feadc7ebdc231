"""What every report is asked: its project, its time zone and its segments."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, TypedDict

from rest_framework.request import Request

from analytics import zones
from analytics.segments.asked import segments_of
from analytics.segments.expressions import InvalidSegment, Segments
from analytics.segments.parsing import GROUP
from analytics.zones import Zone
from config.api.days import parse_day
from config.api.problems import Problem
from config.api.query_parameters import problem, read
from config.building_blocks import unavailable
from projects.keyring import keyring
from projects.of_request import project_of, zone_of

MAX_DAYS = 36_600


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
    return values, Asked(project=project, zone=zone_asked(project, values["tz"]), segments=segments)


def zone_asked(project: int, name: str | None) -> Zone:
    """The zone that a request names, or else the project's. Raises what `zone_of` raises."""
    return Zone(name or zone_of(project), partial(keyring.rollup_zone, project))


def checked_segments(
    texts: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    project: int,
    parameter: str | None = None,
    part: str = "",
) -> Segments:
    """Segments of a request. `part` says which part of the parameter they are.

    Raises Problem that names the parameter, and ClickHouseError.
    """
    try:
        return segments_of(texts, groups, project=project)
    except InvalidSegment as error:
        name = parameter or error.place.parameter
        message = f"{part}: {error.message}" if part else str(error)
        raise problem([{"parameter": name, "message": message}]) from None
    except unavailable.POSTGRESQL:
        raise Problem(503, "PostgreSQL, which has saved segments, can't be reached.") from None


def report_day(text: str) -> date:
    """A day from 1970-01-01 to 2099-12-31. Raises ValueError.

    No event is older than 1970, and ClickHouse's Date can't hold an older day.
    """
    day = parse_day(text)
    if not date(1970, 1, 1) <= day < date(2100, 1, 1):
        raise ValueError("must be from 1970-01-01 to 2099-12-31")
    return day


def check_range(start: date, end: date) -> None:
    """Raises Problem unless these are the first and the last day of a report."""
    days = (end - start).days
    if days < 0:
        raise problem([{"parameter": "from", "message": "from is after to"}])
    if days >= MAX_DAYS:
        message = f"a report has at most {MAX_DAYS} days"
        raise problem([{"parameter": "to", "message": message}])
